#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/simd.h"
#include "spd_map/kernels.h"
#include "spd_map/math.h"

namespace inpaintx::spd_map::cpu {
namespace {

// Min-scan along a row: row[x] = min over s of row[x - s] + s, by doubling steps; reversed, it looks to the right.
// `far` bounds every value, so that far + step never overflows. `copy` holds a row with a margin of 1.
template <typename dist_t>
inline __attribute__((always_inline)) void scan(dist_t* row, dist_t* copy, int64_t width, int far, bool reversed) {
  for (int64_t step = 1; step < far && step < width; step *= 2) {
    std::copy_n(row, width, copy);
    const dist_t* from = reversed ? copy + step : copy;
    dist_t* to = reversed ? row : row + step;
    const dist_t add = static_cast<dist_t>(step);
#pragma omp simd
    for (int64_t x = 0; x < width - step; ++x) {
      const dist_t through = static_cast<dist_t>(from[x] + add);
      to[x] = through < to[x] ? through : to[x];
    }
  }
}

// row[x] = min(row[x], 1 + the least of the three nearest in the row before)
template <typename dist_t>
inline __attribute__((always_inline)) void from_neighbours(dist_t* row, const dist_t* before, dist_t* copy,
                                                           int64_t width, int far) {
  copy[0] = copy[width + 1] = static_cast<dist_t>(far);
  std::copy_n(before, width, copy + 1);
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) {
    dist_t d = copy[x] < copy[x + 1] ? copy[x] : copy[x + 1];
    d = d < copy[x + 2] ? d : copy[x + 2];
    d = static_cast<dist_t>(d + 1);
    row[x] = d < row[x] ? d : row[x];
  }
}

// Chessboard distance to the nearest known pixel, at most `far`, in two passes: from above and the left, then from
// below and the right.
template <typename dist_t>
inline __attribute__((always_inline)) void distances(const bool* hole, dist_t* dist, dist_t* copy, int64_t height,
                                                     int64_t width, int far) {
  for (int64_t y = 0; y < height; ++y) {
    dist_t* row = dist + y * width;
    const auto* hidden = reinterpret_cast<const uint8_t*>(hole + y * width);
#pragma omp simd
    for (int64_t x = 0; x < width; ++x) row[x] = static_cast<dist_t>(hidden[x] * static_cast<dist_t>(far));
    if (y > 0) from_neighbours(row, row - width, copy, width, far);
    scan(row, copy, width, far, false);
  }
  for (int64_t y = height - 1; y >= 0; --y) {
    dist_t* row = dist + y * width;
    if (y + 1 < height) from_neighbours(row, row + width, copy, width, far);
    scan(row, copy, width, far, true);
  }
}

INPAINTX_CLONES void distances8(const bool* hole, uint8_t* dist, uint8_t* copy, int64_t h, int64_t w, int far) {
  distances(hole, dist, copy, h, w, far);
}
INPAINTX_CLONES void distances32(const bool* hole, int32_t* dist, int32_t* copy, int64_t h, int64_t w, int far) {
  distances(hole, dist, copy, h, w, far);
}

INPAINTX_CLONES void look_up(const uint8_t* dist, const float* table, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = table[dist[i]];
}

// One row of a step of the improved map. rows[j] are the 2r+1 rows around it (null: outside the image); `column` is a
// buffer of width + 2r floats whose first and last r stay 0.
INPAINTX_CLONES void improved_row(const bool* hole, const float* const* rows, float* column, float* out, int64_t width,
                                  int64_t radius, bool freeze) {
  const int64_t size = 2 * radius + 1;
  const float area = static_cast<float>(size * size);
  float* inner = column + radius;
  std::fill_n(inner, width, 0.0f);
  for (int64_t j = 0; j < size; ++j) {
    const float* row = rows[j];
    if (!row) continue;
#pragma omp simd
    for (int64_t x = 0; x < width; ++x) inner[x] += row[x];
  }
  std::fill_n(out, width, 0.0f);
  for (int64_t j = 0; j < size; ++j) {
#pragma omp simd
    for (int64_t x = 0; x < width; ++x) out[x] += column[x + j];
  }
  const float* now = rows[radius];
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) out[x] = improved_step(hole[x], now[x], out[x], area, freeze);
}

}  // namespace

// The rings of n dilations are a chessboard distance transform, so that the cost does not grow with n.
void hard(const Map& m) {
  const int64_t pixels = m.height * m.width;
  const int64_t reach = std::min(m.n, std::max(m.height, m.width)) * m.radius;  // no distance exceeds the image
  std::vector<float> table(std::max<int64_t>(reach, 1) + 2);
  for (size_t d = 0; d < table.size(); ++d) {
    table[d] = d == 0 ? 1.0f : static_cast<float>(std::pow(m.k, -static_cast<double>(ring(d, m.radius, m.n))));
  }
  const int far = static_cast<int>(table.size()) - 1;
  table[far] = static_cast<float>(std::pow(m.k, -static_cast<double>(m.n)));  // never reached: no known pixel at all
  at::parallel_for(0, m.batch, 1, [&](int64_t begin, int64_t end) {
    // 8-bit distances while far + step fits
    std::vector<uint8_t> narrow(far < 128 ? pixels + m.width + 2 : 0);
    std::vector<int32_t> wide(far < 128 ? 0 : pixels + m.width + 2);
    for (int64_t b = begin; b < end; ++b) {
      const bool* hole = m.hole + b * pixels;
      float* out = m.map + b * pixels;
      if (far < 128) {
        distances8(hole, narrow.data(), narrow.data() + pixels, m.height, m.width, far);
        look_up(narrow.data(), table.data(), out, pixels);
      } else {
        distances32(hole, wide.data(), wide.data() + pixels, m.height, m.width, far);
        for (int64_t i = 0; i < pixels; ++i) out[i] = table[wide[i]];
      }
    }
  });
}

void improved(const Map& m) {
  const int64_t pixels = m.height * m.width;
  at::parallel_for(0, m.batch, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> other(pixels), column(m.width + 2 * m.radius);
    std::vector<const float*> rows(2 * m.radius + 1);
    for (int64_t b = begin; b < end; ++b) {
      const bool* hole = m.hole + b * pixels;
      float* now = m.map + b * pixels;
      float* next = other.data();
      for (int64_t i = 0; i < pixels; ++i) now[i] = hole[i] ? 0.0f : 1.0f;
      for (int64_t step = 0; step < m.n; ++step) {
        for (int64_t y = 0; y < m.height; ++y) {
          for (int64_t j = 0; j < 2 * m.radius + 1; ++j) {
            const int64_t at = y + j - m.radius;
            rows[j] = at >= 0 && at < m.height ? now + at * m.width : nullptr;
          }
          improved_row(hole + y * m.width, rows.data(), column.data(), next + y * m.width, m.width, m.radius, m.freeze);
        }
        std::swap(now, next);
      }
      if (now != m.map + b * pixels) std::copy_n(now, pixels, m.map + b * pixels);
    }
  });
}

}  // namespace inpaintx::spd_map::cpu
