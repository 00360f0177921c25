#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "common/simd.h"
#include "spd_map/kernels.h"
#include "spd_map/math.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

namespace inpaintx::spd_map::cpu {
namespace {

constexpr int64_t kBlock = 64;    // pixels that one vector instruction takes, at 8 bits
constexpr int64_t kMargin = 128;  // beyond both ends of a row, in blocks: longer than any step of the scan

int64_t padded(int64_t width) { return (width + kBlock - 1) / kBlock * kBlock; }

// Rows of distances, whole blocks long, with margins that hold `far`.
template <typename dist_t>
class Rows {
 public:
  Rows(int64_t count, int64_t width, dist_t far) : stride_(padded(width) + 2 * kMargin), data_(count * stride_, far) {}
  dist_t* operator[](int64_t row) { return data_.data() + row * stride_ + kMargin; }

 private:
  int64_t stride_;
  std::vector<dist_t> data_;
};

// Blocks [first, last) of a row that hold hidden pixels.
struct Span {
  int64_t first = 0, last = 0;
  bool empty() const { return first >= last; }
};

// row[x] = far where hidden, else 0.
template <typename dist_t>
ALWAYS_INLINE void hide(const float* mask, dist_t* row, int64_t width, dist_t far) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) row[x] = is_hole(mask[x]) ? far : dist_t(0);
}
template <typename dist_t>
ALWAYS_INLINE void hide(const bool* mask, dist_t* row, int64_t width, dist_t far) {
  const auto* byte = reinterpret_cast<const uint8_t*>(mask);  // 0 or 1, which the compiler does not know of a bool
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) row[x] = static_cast<dist_t>(byte[x] * far);
}

// As hide; to the end of the last block far, for beyond the image lies nothing known.
template <typename mask_t, typename dist_t>
ALWAYS_INLINE Span load(const mask_t* mask, dist_t* row, int64_t width, dist_t far) {
  hide(mask, row, width, far);
  Span span;
  for (int64_t block = 0; block < width; block += kBlock) {
    const int64_t end = std::min(block + kBlock, width);
    dist_t any = 0;
    for (int64_t x = block; x < end; ++x) any |= row[x];
    std::fill(row + end, row + block + kBlock, far);
    if (!any) continue;
    if (span.empty()) span.first = block;
    span.last = block + kBlock;
  }
  return span;
}

// row[x] = min(row[x], 1 + the least of the three nearest in the row before)
template <typename dist_t>
ALWAYS_INLINE void from_before(dist_t* row, const dist_t* before, Span span) {
  for (int64_t block = span.first; block < span.last; block += kBlock) {
#pragma omp simd
    for (int64_t x = block; x < block + kBlock; ++x) {
      dist_t d = before[x - 1] < before[x + 1] ? before[x - 1] : before[x + 1];
      d = d < before[x] ? d : before[x];
      d = static_cast<dist_t>(d + 1);
      row[x] = d < row[x] ? d : row[x];
    }
  }
}

// Min-scan along a row in place: row[x] = min over s of row[x - s] + s (direction 1) or of row[x + s] + s (-1). Steps
// grow fourfold, each looks one, two and three steps back: 4 steps reach 255. In place, a neighbour may be read before
// or after its own update; both are lengths of paths, and neither is less than the distance. `far` < 128 bounds every
// value, so that far + step does not overflow.
ALWAYS_INLINE void scan(uint8_t* row, Span span, int64_t far, int64_t direction) {
  for (int64_t step = 1; step < far; step *= 4) {
    const auto s1 = static_cast<uint8_t>(step);
    const auto s2 = static_cast<uint8_t>(2 * step < far ? 2 * step : step);
    const auto s3 = static_cast<uint8_t>(3 * step < far ? 3 * step : step);
    const uint8_t *one = row - direction * s1, *two = row - direction * s2, *three = row - direction * s3;
    for (int64_t i = 0; i < span.last - span.first; i += kBlock) {
      const int64_t block = direction > 0 ? span.last - kBlock - i : span.first + i;  // reads what is not written yet
#pragma omp simd
      for (int64_t x = block; x < block + kBlock; ++x) {
        const auto a = static_cast<uint8_t>(one[x] + s1), b = static_cast<uint8_t>(two[x] + s2);
        const auto c = static_cast<uint8_t>(three[x] + s3);
        const uint8_t least = a < b ? a : b, other = c < row[x] ? c : row[x];
        row[x] = least < other ? least : other;
      }
    }
  }
}

// Chessboard distance to the nearest known pixel, at most `far`, of `count` rows, in two passes: from above and the
// left, then from below and the right. Blocks without a hidden pixel are 0 and stay so.
template <typename mask_t>
ALWAYS_INLINE void distances(const mask_t* mask, Rows<uint8_t>& rows, Span* spans, int64_t count, int64_t width,
                             uint8_t far) {
  const int64_t whole = padded(width);
  for (int64_t y = 0; y < count; ++y) {
    spans[y] = load(mask + y * width, rows[y], width, far);
    if (spans[y].empty()) continue;
    if (y > 0) from_before(rows[y], rows[y - 1], spans[y]);
    scan(rows[y], spans[y], far, 1);
    std::fill(rows[y] + width, rows[y] + whole, far);
  }
  for (int64_t y = count - 1; y >= 0; --y) {
    if (spans[y].empty()) continue;
    if (y + 1 < count) from_before(rows[y], rows[y + 1], spans[y]);
    scan(rows[y], spans[y], far, -1);
    std::fill(rows[y] + width, rows[y] + whole, far);
  }
}

INPAINTX_CLONES void distances8(const bool* m, Rows<uint8_t>& r, Span* s, int64_t n, int64_t w, uint8_t far) {
  distances(m, r, s, n, w, far);
}
INPAINTX_CLONES void distances8(const float* m, Rows<uint8_t>& r, Span* s, int64_t n, int64_t w, uint8_t far) {
  distances(m, r, s, n, w, far);
}

// Past 8 bits the scan's steps would outgrow the margins; a plain recurrence does.
template <typename mask_t>
void distances32(const mask_t* mask, Rows<int32_t>& rows, int64_t count, int64_t width, int32_t far) {
  for (int64_t y = 0; y < count; ++y) {
    load(mask + y * width, rows[y], width, far);
    if (y > 0) from_before(rows[y], rows[y - 1], {0, padded(width)});
    for (int64_t x = 1; x < width; ++x) rows[y][x] = std::min(rows[y][x], rows[y][x - 1] + 1);
    std::fill(rows[y] + width, rows[y] + padded(width), far);
  }
  for (int64_t y = count - 1; y >= 0; --y) {
    if (y + 1 < count) from_before(rows[y], rows[y + 1], {0, padded(width)});
    for (int64_t x = width - 2; x >= 0; --x) rows[y][x] = std::min(rows[y][x], rows[y][x + 1] + 1);
    std::fill(rows[y] + width, rows[y] + padded(width), far);
  }
}

INPAINTX_CLONES void look_up(const uint8_t* dist, Span span, const float* table, float* out, int64_t width) {
  std::fill_n(out, std::min(span.first, width), 1.0f);
  for (int64_t x = span.first; x < std::min(span.last, width); ++x) out[x] = table[dist[x]];
  const int64_t rest = span.empty() ? 0 : span.last;
  if (rest < width) std::fill(out + rest, out + width, 1.0f);
}

constexpr int64_t kWhole = 16;  // floats of the widest vector

// Plane of the improved map, with r zeros beyond each edge: outside the image counts as 0. A row's zeros serve its
// neighbour, too; rows start where vectors are aligned.
class Plane {
 public:
  Plane(int64_t height, int64_t width, int64_t r)
      : stride((width + r + kWhole - 1) / kWhole * kWhole), r_(r), data_((height + 2 * r + 1) * stride + kWhole) {
    void* start = data_.data() + r;
    size_t room = data_.size() * sizeof(float);
    origin_ = static_cast<float*>(std::align(kWhole * sizeof(float), 1, start, room));
  }
  float* operator[](int64_t row) { return origin_ + (row + r_) * stride; }
  const int64_t stride;

 private:
  int64_t r_;
  std::vector<float> data_;
  float* origin_;
};

// row[x] = 0 where hidden, else 1, in both planes. Returns the columns between which pixels are hidden, in whole
// vectors: at the ends a known pixel or two more costs less than a remainder.
template <typename mask_t>
ALWAYS_INLINE std::pair<int64_t, int64_t> known_row_of(const mask_t* mask, int64_t width, float* row, float* other) {
  std::pair<int64_t, int64_t> span{width, 0};
  for (int64_t block = 0; block < width; block += kWhole) {
    const int64_t end = std::min(block + kWhole, width);
    float least = 1.0f;
#pragma omp simd reduction(min : least)
    for (int64_t x = block; x < end; ++x) {
      const float known = is_hole(mask[x]) ? 0.0f : 1.0f;
      row[x] = other[x] = known;
      least = known < least ? known : least;
    }
    if (least == 0.0f) span = {std::min(span.first, block), end};
  }
  return span;
}

// A step on columns [first, last) of `count` rows, one or two: sums down the window's columns, of which two rows share
// all but the outermost, then along each row. `sums` holds two rows of stride + r floats, each from column -r on.
template <int count, int fixed, bool freeze, typename mask_t>
ALWAYS_INLINE void improved_rows(const mask_t* mask, int64_t width, const float* now, float* next, int64_t stride,
                                 float* sums, int64_t first, int64_t last, int64_t radius) {
  const int64_t r = fixed > 0 ? fixed : radius;
  const float per_area = 1.0f / static_cast<float>((2 * r + 1) * (2 * r + 1));
  float* const below = sums + stride + r;
#pragma omp simd
  for (int64_t x = first - r; x < last + r; ++x) {
    float shared = now[x + (1 - r) * stride];
    for (int64_t j = 2 - r; j <= r; ++j) shared += now[x + j * stride];
    sums[x] = shared + now[x - r * stride];
    if constexpr (count == 2) below[x] = shared + now[x + (r + 1) * stride];
  }
  for (int row = 0; row < count; ++row, mask += width, now += stride, next += stride, sums = below) {
#pragma omp simd
    for (int64_t x = first; x < last; ++x) {
      float sum = sums[x - r];
      for (int64_t j = 1 - r; j <= r; ++j) sum += sums[x + j];
      next[x] = improved_step(is_hole(mask[x]), freeze ? now[x] : 0.0f, sum, per_area, freeze);
    }
  }
}

template <typename mask_t, typename... Args>
ALWAYS_INLINE void improved_rows_of(int64_t count, int64_t r, bool freeze, const mask_t* mask, Args... args) {
  const auto of_radius = [&]<int fixed>() __attribute__((always_inline)) {
    if (freeze)
      count == 2 ? improved_rows<2, fixed, true>(mask, args..., r) : improved_rows<1, fixed, true>(mask, args..., r);
    else
      count == 2 ? improved_rows<2, fixed, false>(mask, args..., r) : improved_rows<1, fixed, false>(mask, args..., r);
  };
  switch (r) {
    case 1:
      return of_radius.template operator()<1>();
    case 2:
      return of_radius.template operator()<2>();
    case 3:
      return of_radius.template operator()<3>();
    default:
      return of_radius.template operator()<0>();
  }
}

INPAINTX_CLONES std::pair<int64_t, int64_t> known_row(const bool* mask, int64_t width, float* row, float* other) {
  return known_row_of(mask, width, row, other);
}
INPAINTX_CLONES std::pair<int64_t, int64_t> known_row(const float* mask, int64_t width, float* row, float* other) {
  return known_row_of(mask, width, row, other);
}

INPAINTX_CLONES void step_rows(int64_t count, int64_t r, bool freeze, const bool* mask, int64_t width, const float* now,
                               float* next, int64_t stride, float* sums, int64_t first, int64_t last) {
  improved_rows_of(count, r, freeze, mask, width, now, next, stride, sums, first, last);
}
INPAINTX_CLONES void step_rows(int64_t count, int64_t r, bool freeze, const float* mask, int64_t width,
                               const float* now, float* next, int64_t stride, float* sums, int64_t first,
                               int64_t last) {
  improved_rows_of(count, r, freeze, mask, width, now, next, stride, sums, first, last);
}

}  // namespace

// The rings of n dilations are a chessboard distance transform, so that the cost does not grow with n.
template <typename mask_t>
void hard(const Map<mask_t>& m) {
  const int64_t pixels = m.height * m.width;
  const int64_t longest = std::max(m.height, m.width);  // no distance exceeds it
  const int64_t reach = std::min(std::min(m.n, longest) * std::min(m.radius, longest), longest);
  std::vector<float> table(std::max<int64_t>(reach, 1) + 2);
  for (size_t d = 0; d < table.size(); ++d) {
    table[d] = d == 0 ? 1.0f : static_cast<float>(std::pow(m.k, -static_cast<double>(ring(d, m.radius, m.n))));
  }
  const int far = static_cast<int>(table.size()) - 1;
  table[far] = static_cast<float>(std::pow(m.k, -static_cast<double>(m.n)));  // never reached: no known pixel at all
  // few images: bands of rows, each computed with the `far` rows around it, beyond which no distance reaches
  const int64_t band =
      m.batch >= at::get_num_threads() ? std::max<int64_t>(m.height, 1) : std::max<int64_t>(1, 4 * far);
  const int64_t bands = (m.height + band - 1) / band;
  at::parallel_for(0, m.batch * bands, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t top = i % bands * band, bottom = std::min(top + band, m.height);
      const int64_t first = std::max<int64_t>(0, top - far), last = std::min(bottom + far, m.height);
      const mask_t* mask = m.mask + i / bands * pixels + first * m.width;
      float* out = m.map + i / bands * pixels;
      if (far < 128) {  // 8-bit distances while far + step fits
        Rows<uint8_t> rows(last - first, m.width, far);
        std::vector<Span> spans(last - first);
        distances8(mask, rows, spans.data(), last - first, m.width, static_cast<uint8_t>(far));
        for (int64_t y = top; y < bottom; ++y) {
          look_up(rows[y - first], spans[y - first], table.data(), out + y * m.width, m.width);
        }
      } else {
        Rows<int32_t> rows(last - first, m.width, far);
        distances32(mask, rows, last - first, m.width, far);
        for (int64_t y = top; y < bottom; ++y) {
          for (int64_t x = 0; x < m.width; ++x) out[y * m.width + x] = table[rows[y - first][x]];
        }
      }
    }
  });
}

// Only the rows and columns that the hole spans are worked on; the others stay 1.
constexpr int64_t kStepsAtOnce = 10, kPairsAtOnce = 4;
template <typename mask_t>
void improved(const Map<mask_t>& m) {
  const int64_t pixels = m.height * m.width;
  const int64_t n = m.radius == 0 ? 0 : m.n;            // a window of one pixel changes nothing
  const bool shared = m.batch < at::get_num_threads();  // an image's rows, among the threads
  const auto image = [&](int64_t b) {
    const mask_t* mask = m.mask + b * pixels;
    Plane planes[2]{{m.height, m.width, m.radius}, {m.height, m.width, m.radius}};
    std::vector<std::pair<int64_t, int64_t>> span((m.height + 1) / 2, {m.width, 0});  // of each pair of rows
    for (int64_t y = 0; y < m.height; ++y) {
      const auto [first, last] = known_row(mask + y * m.width, m.width, planes[0][y], planes[1][y]);
      auto& [from, to] = span[y / 2];
      from = std::min(from, first);
      to = std::max(to, last);
    }
    const int64_t pairs = (m.height + 1) / 2;
    const auto work = [&](int64_t step, int64_t begin, int64_t end, float* sums) {
      Plane &now = planes[step % 2], &next = planes[(step + 1) % 2];
      for (int64_t pair = std::max<int64_t>(begin, 0); pair < std::min(end, pairs); ++pair) {
        const auto [first, last] = span[pair];
        if (first >= last) continue;
        const int64_t y = 2 * pair;
        step_rows(std::min<int64_t>(2, m.height - y), m.radius, m.freeze, mask + y * m.width, m.width, now[y], next[y],
                  now.stride, sums, first, last);
      }
    };
    if (shared) {
      for (int64_t step = 0; step < n; ++step) {
        at::parallel_for(0, pairs, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(m.width, 1)),
                         [&](int64_t begin, int64_t end) {
                           std::vector<float> sums(2 * (planes[0].stride + m.radius));
                           work(step, begin, end, sums.data() + m.radius);
                         });
      }
    } else {  // several steps on a few rows while they are in cache; each step stays so far behind the one before it
      const int64_t behind = (m.radius + 1) / 2;
      std::vector<float> sums(2 * (planes[0].stride + m.radius));
      for (int64_t start = 0; start < n; start += kStepsAtOnce) {
        const int64_t steps = std::min(kStepsAtOnce, n - start);
        for (int64_t top = 0; top < pairs + (steps - 1) * behind; top += kPairsAtOnce) {
          for (int64_t i = 0; i < steps; ++i) {
            const int64_t begin = top - i * behind;
            work(start + i, begin, begin + kPairsAtOnce, sums.data() + m.radius);
          }
        }
      }
    }
    for (int64_t y = 0; y < m.height; ++y) std::copy_n(planes[n % 2][y], m.width, m.map + b * pixels + y * m.width);
  };
  if (shared) {
    for (int64_t b = 0; b < m.batch; ++b) image(b);
  } else {
    at::parallel_for(0, m.batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) image(b);
    });
  }
}

template void hard(const Map<bool>&);
template void hard(const Map<float>&);
template void improved(const Map<bool>&);
template void improved(const Map<float>&);

}  // namespace inpaintx::spd_map::cpu
