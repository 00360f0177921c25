// SSIM on the CPU. A band of rows at a time, all in cache: each row's products are filtered along the row once and kept
// for as many rows as the window is high; filtering down the columns then gives a row of means. A band starts with
// `window` - 1 rows that its neighbor above filters as well; kBand is what keeps that below a sixth for the usual 11 x
// 11 window.
//
// Invariant: kBand, not the number of threads, bounds the partial sums, which are added in double in one order.
#include <algorithm>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "ssim/kernels.h"
#include "ssim/math.h"

namespace inpaintx::ssim::cpu {
namespace {

constexpr int64_t kWorthwhile = 1 << 18;  // pixels, about half a millisecond: less is not worth another thread
constexpr int64_t kBand = 64;  // rows of a task, whatever the number of threads, so that sums keep their order
constexpr int kMeans = 5;      // x, y, (x - y)^2, xy, and the weight

// out[i] = sum over k of g[k] * row(k)[i], for a symmetric g of odd length, of which the first half and the center are
// given; `row` is inlined.
template <int kWindow, typename acc_t, typename Row>
INPAINTX_INLINE void filter_by(const Row& row, const acc_t* g, int64_t n, acc_t* __restrict out) {
  constexpr int half = kWindow / 2;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    acc_t sum = g[half] * row(half)[i];
#pragma GCC unroll 16
    for (int k = 0; k < half; ++k) sum += g[k] * (row(k)[i] + row(kWindow - 1 - k)[i]);
    out[i] = sum;
  }
}

template <typename acc_t, typename Row>
// The usual window of 11 has code of its own, in which all taps of a value stay in registers; any other goes tap by tap
// over the row.
INPAINTX_INLINE void filter(const Row& row, const acc_t* g, int64_t window, int64_t n, acc_t* __restrict out) {
  if (window == 11) return filter_by<11>(row, g, n, out);
  std::fill_n(out, n, acc_t(0));
  for (int64_t k = 0; k < window; ++k) {
    const acc_t* in = row(k);
    const acc_t share = g[std::min(k, window - 1 - k)];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] += share * in[i];
  }
}

// What the windows' centers of a row are worth, and how far: null pointers where all pixels count alike.
template <typename acc_t>
struct Centres {
  const acc_t* weight;
  int64_t n;

  INPAINTX_HD bool counts(const acc_t* seen, int64_t i) const { return seen[i] >= acc_t(kLeastWeight); }
};

template <typename acc_t>
// The row's products under the window: x, y, (x - y)^2, xy, and with weights these times w and w itself, each n values
// long. What lies where w is 0 is replaced before it is multiplied, for 0 * NaN is NaN.
INPAINTX_INLINE void products_of(const acc_t* x, const acc_t* y, const acc_t* w, acc_t per_range, int64_t n,
                                 acc_t* __restrict out) {
  acc_t *ox = out, *oy = out + n, *squares = out + 2 * n, *product = out + 3 * n, *weight = out + 4 * n;
  if (w) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const bool seen = w[i] > 0;
      const acc_t a = seen ? normal(x[i], per_range) : acc_t(0), b = seen ? normal(y[i], per_range) : acc_t(0);
      const acc_t share = seen ? w[i] : acc_t(0);
      ox[i] = share * a;
      oy[i] = share * b;
      squares[i] = share * (a - b) * (a - b);
      product[i] = share * a * b;
      weight[i] = share;
    }
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const acc_t a = normal(x[i], per_range), b = normal(y[i], per_range);
    ox[i] = a;
    oy[i] = b;
    squares[i] = (a - b) * (a - b);
    product[i] = a * b;
  }
}

// Sums of weighted similarities and of the weights, over one row of means.
template <typename acc_t>
INPAINTX_INLINE void sum_of(const acc_t* m, const Centres<acc_t>& c, double* value, double* total) {
  const int64_t n = c.n;
  acc_t sum = 0, weights = 0;
  if (c.weight) {
#pragma omp simd reduction(+ : sum, weights)
    for (int64_t i = 0; i < n; ++i) {
      const bool counts = c.counts(m + 4 * n, i) && c.weight[i] > 0;
      const acc_t under = acc_t(1) / (counts ? m[4 * n + i] : acc_t(1)), w = counts ? c.weight[i] : acc_t(0);
      const auto s = similarity(m[i] * under, m[n + i] * under, m[2 * n + i] * under, m[3 * n + i] * under);
      sum += counts ? w * s.value : acc_t(0);
      weights += w;
    }
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) {
      sum += similarity(m[i], m[n + i], m[2 * n + i], m[3 * n + i]).value;
    }
    weights = static_cast<acc_t>(n);
  }
  *value += static_cast<double>(sum);
  *total += static_cast<double>(weights);
}

// Slopes along the four means of a row, times the weight of the window and `scale`; out rows are `stride` apart.
template <typename acc_t>
INPAINTX_INLINE void slopes_of(const acc_t* m, const Centres<acc_t>& c, acc_t scale, int64_t stride,
                               acc_t* __restrict out) {
  const int64_t n = c.n;
  const bool weighted = c.weight != nullptr;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    acc_t under = 1, share = scale;
    bool counts = true;
    if (weighted) {
      counts = c.counts(m + 4 * n, i) && c.weight[i] > 0;
      under = acc_t(1) / (counts ? m[4 * n + i] : acc_t(1));
      share = counts ? scale * c.weight[i] * under : acc_t(0);
    }
    const auto s = similarity(m[i] * under, m[n + i] * under, m[2 * n + i] * under, m[3 * n + i] * under);
    out[i] = counts ? share * s.by_squares : acc_t(0);
    out[stride + i] = counts ? share * s.by_product : acc_t(0);
    out[2 * stride + i] = counts ? share * s.by_x : acc_t(0);
    out[3 * stride + i] = counts ? share * s.by_y : acc_t(0);
  }
}

// s holds four rows of n: slopes by squares, product, x and y, of which the last is needed for grad_y alone.
template <typename acc_t>
INPAINTX_INLINE void gradients_of(const acc_t* x, const acc_t* y, const acc_t* w, acc_t per_range, const acc_t* s,
                                  int64_t n, acc_t* __restrict grad_x, acc_t* __restrict grad_y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const bool seen = !w || w[i] > 0;
    const acc_t share = w ? w[i] * per_range : per_range;
    const acc_t gx = gradient(s[2 * n + i], s[i], s[n + i], normal(x[i], per_range), normal(y[i], per_range));
    grad_x[i] = seen ? share * gx : acc_t(0);
  }
  if (!grad_y) return;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const bool seen = !w || w[i] > 0;
    const acc_t share = w ? w[i] * per_range : per_range;
    const acc_t gy = gradient(s[3 * n + i], s[i], s[n + i], normal(y[i], per_range), normal(x[i], per_range));
    grad_y[i] = seen ? share * gy : acc_t(0);
  }
}

// The row functions for float and double, compiled for the levels of isa.h: a template cannot be.
#define ROW_FUNCTIONS(acc_t)                                                                                          \
  INPAINTX_CLONES void filter_row(const acc_t* in, const acc_t* g, int64_t window, int64_t n, acc_t* out) {           \
    filter([=](int64_t k) { return in + k; }, g, window, n, out);                                                     \
  }                                                                                                                   \
  INPAINTX_CLONES void filter_column(const acc_t* const* in, const acc_t* g, int64_t window, int64_t n, acc_t* out) { \
    filter([=](int64_t k) { return in[k]; }, g, window, n, out);                                                      \
  }                                                                                                                   \
  INPAINTX_CLONES void products(const acc_t* x, const acc_t* y, const acc_t* w, acc_t per_range, int64_t n,           \
                                acc_t* out) {                                                                         \
    products_of(x, y, w, per_range, n, out);                                                                          \
  }                                                                                                                   \
  INPAINTX_CLONES void sums(const acc_t* m, const Centres<acc_t>& c, double* value, double* total) {                  \
    sum_of(m, c, value, total);                                                                                       \
  }                                                                                                                   \
  INPAINTX_CLONES void slopes(const acc_t* m, const Centres<acc_t>& c, acc_t scale, int64_t stride, acc_t* out) {     \
    slopes_of(m, c, scale, stride, out);                                                                              \
  }                                                                                                                   \
  INPAINTX_CLONES void gradients(const acc_t* x, const acc_t* y, const acc_t* w, acc_t per_range, const acc_t* s,     \
                                 int64_t n, acc_t* grad_x, acc_t* grad_y) {                                           \
    gradients_of(x, y, w, per_range, s, n, grad_x, grad_y);                                                           \
  }
ROW_FUNCTIONS(float)
ROW_FUNCTIONS(double)
#undef ROW_FUNCTIONS

// The last `window` rows of some quantities, filtered along the row; and filtered down the columns when asked. Row y
// stands in slot y mod window: a row is pushed when the one that it takes the place of is no longer asked for.
template <typename acc_t>
class Ring {
 public:
  Ring(int quantities, int64_t window, int64_t width)
      : quantities_(quantities), window_(window), width_(width), rows_(quantities * window * width), order_(window) {}

  // Row `y` of quantity q is in[q * stride + i], filtered to `width` values.
  void push(int64_t y, const acc_t* in, int64_t stride, const acc_t* g) {
    for (int q = 0; q < quantities_; ++q) filter_row(in + q * stride, g, window_, width_, row(q, y));
  }

  // out [quantities, width] from the rows first to first + window - 1; those outside [begin, end) count as zero.
  void means(int64_t first, int64_t begin, int64_t end, const acc_t* zeros, const acc_t* g, acc_t* out) {
    for (int q = 0; q < quantities_; ++q) {
      for (int64_t k = 0; k < window_; ++k) {
        order_[k] = first + k >= begin && first + k < end ? row(q, first + k) : zeros;
      }
      filter_column(order_.data(), g, window_, width_, out + q * width_);
    }
  }

 private:
  acc_t* row(int q, int64_t y) { return rows_.data() + (q * window_ + y % window_) * width_; }

  int quantities_;
  int64_t window_, width_;
  std::vector<acc_t> rows_;
  std::vector<const acc_t*> order_;
};

// One channel of one image, read a row at a time; gives the means of every row of windows, from the top of a band down.
// Rows must be asked for in rising order.
//   a      the images; must outlive this object
//   plane  image * channels + channel
//   first  the first row of windows that will be asked for
template <typename acc_t>
class Windows {
 public:
  Windows(const Images<acc_t>& a, int64_t plane, int64_t first)
      : a_(a),
        x_(a.x + plane * a.height * a.width),
        y_(a.y + plane * a.height * a.width),
        weight_(a.weight ? a.weight + (a.weight_batch == 1 ? 0 : plane / a.channels) * a.height * a.width : nullptr),
        quantities_(weight_ ? kMeans : kMeans - 1),
        next_(first),
        products_(kMeans * a.width),
        means_(kMeans * a.out_width()),
        ring_(quantities_, a.window, a.out_width()) {}

  const acc_t* x(int64_t y) const { return x_ + y * a_.width; }
  const acc_t* y(int64_t y) const { return y_ + y * a_.width; }
  const acc_t* weight(int64_t y) const { return weight_ ? weight_ + y * a_.width : nullptr; }

  Centres<acc_t> centres(int64_t row) const {
    const int64_t rim = a_.window / 2;
    return {weight_ ? weight(row + rim) + rim : nullptr, a_.out_width()};
  }

  const acc_t* means(int64_t row) {
    for (; next_ < row + a_.window; ++next_) {
      products(x(next_), y(next_), weight(next_), a_.per_range, a_.width, products_.data());
      ring_.push(next_, products_.data(), a_.width, a_.half_gaussian);
    }
    ring_.means(row, row, row + a_.window, nullptr, a_.half_gaussian, means_.data());
    return means_.data();
  }

 private:
  const Images<acc_t>& a_;
  const acc_t *x_, *y_, *weight_;
  int quantities_;
  int64_t next_;
  std::vector<acc_t> products_, means_;
  Ring<acc_t> ring_;
};

}  // namespace

template <typename acc_t>
void mean_similarity(const Forward<acc_t>& f) {
  const auto& a = f.images;
  const int64_t rows = a.out_height(), bands = (rows + kBand - 1) / kBand, planes = a.batch * a.channels;
  std::vector<double> value(planes * bands), total(planes * bands);
  parallel_for(0, planes * bands, 1 + kWorthwhile / (kBand * a.width), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % bands * kBand;
      Windows<acc_t> windows(a, task / bands, first);
      for (int64_t row = first; row < std::min(first + kBand, rows); ++row) {
        sums(windows.means(row), windows.centres(row), &value[task], &total[task]);
      }
    }
  });
  for (int64_t b = 0; b < a.batch; ++b) {
    double sum = 0, weights = 0;
    for (int64_t i = b * a.channels * bands; i < (b + 1) * a.channels * bands; ++i) {
      sum += value[i];
      weights += total[i];
    }
    f.value[b] = weights > 0 ? static_cast<acc_t>(sum / weights) : acc_t(1);
    f.total[b] = static_cast<acc_t>(weights / static_cast<double>(a.channels));
  }
}

// A pixel gathers from the windows that hold it: the slopes, spread by the same filter with nothing beyond the map.
template <typename acc_t>
void mean_similarity_backward(const Backward<acc_t>& f) {
  const auto& a = f.images;
  const int64_t bands = (a.height + kBand - 1) / kBand, rows = a.out_height(), reach = a.window - 1;
  const int64_t padded = a.out_width() + 2 * reach;
  parallel_for(0, a.batch * a.channels * bands, 1, [&](int64_t begin, int64_t end) {
    const int quantities = f.grad_y ? 4 : 3;
    std::vector<acc_t> slope(4 * padded), spread(4 * a.width), zeros(a.width);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t plane = task / bands, first = task % bands * kBand;
      const acc_t scale = f.scale[plane / a.channels];
      int64_t next = std::max<int64_t>(0, first - reach);
      Windows<acc_t> windows(a, plane, next);
      Ring<acc_t> ring(quantities, a.window, a.width);
      for (int64_t y = first; y < std::min(first + kBand, a.height); ++y) {
        for (; next < rows && next <= y; ++next) {
          slopes(windows.means(next), windows.centres(next), scale, padded, slope.data() + reach);
          ring.push(next + reach, slope.data(), padded, a.half_gaussian);
        }
        // rows are numbered from -reach on, so that none is negative
        ring.means(y, reach, rows + reach, zeros.data(), a.half_gaussian, spread.data());
        const int64_t at = (plane * a.height + y) * a.width;
        gradients(windows.x(y), windows.y(y), windows.weight(y), a.per_range, spread.data(), a.width, f.grad_x + at,
                  f.grad_y ? f.grad_y + at : nullptr);
      }
    }
  });
}

template void mean_similarity(const Forward<float>&);
template void mean_similarity(const Forward<double>&);
template void mean_similarity_backward(const Backward<float>&);
template void mean_similarity_backward(const Backward<double>&);

}  // namespace inpaintx::ssim::cpu
