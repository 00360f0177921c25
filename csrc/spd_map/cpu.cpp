#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
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

// Planes of the improved map, with r zeros beyond each edge: outside the image counts as 0.
class Plane {
 public:
  Plane(int64_t height, int64_t width, int64_t r) : stride(width + 2 * r), r_(r), data_((height + 2 * r) * stride) {}
  float* operator[](int64_t row) { return data_.data() + (row + r_) * stride + r_; }
  const int64_t stride;

 private:
  int64_t r_;
  std::vector<float> data_;
};

// Columns [first, last) of one row of a step: sums down the window's columns, then along the row. `sums` has r floats
// before its start.
template <int fixed, typename mask_t>
ALWAYS_INLINE void improved_row(const mask_t* mask, const float* now, int64_t stride, float* sums, float* out,
                                int64_t first, int64_t last, int64_t radius, bool freeze) {
  const int64_t r = fixed > 0 ? fixed : radius;
  const float per_area = 1.0f / static_cast<float>((2 * r + 1) * (2 * r + 1));
#pragma omp simd
  for (int64_t x = first - r; x < last + r; ++x) {
    float sum = now[x - r * stride];
    for (int64_t j = 1 - r; j <= r; ++j) sum += now[x + j * stride];
    sums[x] = sum;
  }
#pragma omp simd
  for (int64_t x = first; x < last; ++x) {
    float sum = sums[x - r];
    for (int64_t j = 1 - r; j <= r; ++j) sum += sums[x + j];
    out[x] = improved_step(is_hole(mask[x]), now[x], sum, per_area, freeze);
  }
}

template <typename mask_t>
ALWAYS_INLINE void improved_row_of(const mask_t* mask, const float* now, int64_t stride, float* sums, float* out,
                                   int64_t first, int64_t last, int64_t r, bool freeze) {
  if (r == 1) return improved_row<1>(mask, now, stride, sums, out, first, last, r, freeze);
  if (r == 2) return improved_row<2>(mask, now, stride, sums, out, first, last, r, freeze);
  if (r == 3) return improved_row<3>(mask, now, stride, sums, out, first, last, r, freeze);
  improved_row<0>(mask, now, stride, sums, out, first, last, r, freeze);
}

INPAINTX_CLONES void step_row(const bool* m, const float* now, int64_t stride, float* sums, float* out, int64_t first,
                              int64_t last, int64_t r, bool freeze) {
  improved_row_of(m, now, stride, sums, out, first, last, r, freeze);
}
INPAINTX_CLONES void step_row(const float* m, const float* now, int64_t stride, float* sums, float* out, int64_t first,
                              int64_t last, int64_t r, bool freeze) {
  improved_row_of(m, now, stride, sums, out, first, last, r, freeze);
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
template <typename mask_t>
void improved(const Map<mask_t>& m) {
  const int64_t pixels = m.height * m.width;
  const auto image = [&](int64_t b) {
    const mask_t* mask = m.mask + b * pixels;
    Plane planes[2]{{m.height, m.width, m.radius}, {m.height, m.width, m.radius}};
    std::vector<std::pair<int64_t, int64_t>> span(m.height);
    for (int64_t y = 0; y < m.height; ++y) {
      const mask_t* row = mask + y * m.width;
      for (int64_t x = 0; x < m.width; ++x) planes[0][y][x] = planes[1][y][x] = is_hole(row[x]) ? 0.0f : 1.0f;
      const auto hidden = [](mask_t v) { return is_hole(v); };
      const auto first = std::find_if(row, row + m.width, hidden) - row;
      const auto last =
          std::find_if(std::make_reverse_iterator(row + m.width), std::make_reverse_iterator(row + first), hidden);
      span[y] = {first, last.base() - row};
    }
    for (int64_t step = 0; step < m.n; ++step) {
      Plane &now = planes[step % 2], &next = planes[(step + 1) % 2];
      at::parallel_for(0, m.height, std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(m.width, 1)),
                       [&](int64_t begin, int64_t end) {
                         std::vector<float> sums(m.width + 2 * m.radius);
                         for (int64_t y = begin; y < end; ++y) {
                           const auto [first, last] = span[y];
                           if (first >= last) continue;
                           step_row(mask + y * m.width, now[y], now.stride, sums.data() + m.radius, next[y], first,
                                    last, m.radius, m.freeze);
                         }
                       });
    }
    for (int64_t y = 0; y < m.height; ++y) std::copy_n(planes[m.n % 2][y], m.width, m.map + b * pixels + y * m.width);
  };
  if (m.batch < at::get_num_threads()) {
    for (int64_t b = 0; b < m.batch; ++b) image(b);  // its rows are shared among the threads
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
