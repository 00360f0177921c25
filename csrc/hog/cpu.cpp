#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "common/simd.h"
#include "hog/kernels.h"
#include "hog/math.h"

namespace inpaintx::hog::cpu {
namespace {

// Gradient of one row and channel: [-1,0,1], zero at the outer rows and columns; up or below may be null (outer row).
// Keeps the gradient where it is larger than what the channels before left there.
template <typename acc_t>
inline __attribute__((always_inline)) void gradient(const acc_t* up, const acc_t* row, const acc_t* below,
                                                    int64_t width, acc_t* down, acc_t* right, acc_t* square) {
#pragma omp simd
  for (int64_t x = 1; x < width - 1; ++x) {
    const acc_t dy = up ? below[x] - up[x] : acc_t(0), dx = row[x + 1] - row[x - 1];
    const acc_t m = dy * dy + dx * dx;
    const bool larger = m > square[x];
    down[x] = larger ? dy : down[x];
    right[x] = larger ? dx : right[x];
    square[x] = larger ? m : square[x];
  }
  for (const int64_t x : {int64_t(0), width - 1}) {
    const acc_t dy = up ? below[x] - up[x] : acc_t(0);
    if (dy * dy > square[x]) {
      down[x] = dy;
      right[x] = 0;
      square[x] = dy * dy;
    }
  }
}

template <typename acc_t>
inline __attribute__((always_inline)) void magnitude_and_bin(acc_t* down, acc_t* right, acc_t* square, int32_t* bin,
                                                             int64_t width, const Edges<acc_t>& e, int bins) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) {
    const bool fold = down[x] < 0 || (down[x] == 0 && right[x] < 0);
    down[x] = fold ? -down[x] : down[x];
    right[x] = fold ? -right[x] : right[x];
    square[x] = std::sqrt(square[x]);
    bin[x] = 0;
  }
  for (int i = 1; i < bins; ++i) {  // bin_of, an edge at a time over the row
    const acc_t c = e.cosine[i], s = e.sine[i];
#pragma omp simd
    for (int64_t x = 0; x < width; ++x) {
      const acc_t u = c * down[x], v = s * right[x];  // compared, not subtracted: a fused multiply-add would break ties
      bin[x] += u >= v;
    }
  }
}

// L2-Hys: normalise, clip, normalise again.
template <typename acc_t>
inline __attribute__((always_inline)) void l2_hys(acc_t* v, int64_t count, acc_t clip) {
  acc_t sum = acc_t(1e-10), clipped = acc_t(1e-10);
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += v[i] * v[i];
  const acc_t first = 1 / std::sqrt(sum);
#pragma omp simd reduction(+ : clipped)
  for (int64_t i = 0; i < count; ++i) {
    v[i] = std::min(v[i] * first, clip);
    clipped += v[i] * v[i];
  }
  const acc_t second = 1 / std::sqrt(clipped);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) v[i] *= second;
}

INPAINTX_CLONES void row_of(const float* up, const float* row, const float* below, int64_t width, float* d, float* r,
                            float* m) {
  gradient(up, row, below, width, d, r, m);
}
INPAINTX_CLONES void row_of(const double* up, const double* row, const double* below, int64_t width, double* d,
                            double* r, double* m) {
  gradient(up, row, below, width, d, r, m);
}
INPAINTX_CLONES void bins_of(float* d, float* r, float* m, int32_t* bin, int64_t width, const Edges<float>& e,
                             int bins) {
  magnitude_and_bin(d, r, m, bin, width, e, bins);
}
INPAINTX_CLONES void bins_of(double* d, double* r, double* m, int32_t* bin, int64_t width, const Edges<double>& e,
                             int bins) {
  magnitude_and_bin(d, r, m, bin, width, e, bins);
}

INPAINTX_CLONES void normalise(float* v, int64_t count, float clip) { l2_hys(v, count, clip); }
INPAINTX_CLONES void normalise(double* v, int64_t count, double clip) { l2_hys(v, count, clip); }

// Histograms of one row of cells, averaged over the cell's area.
template <typename acc_t>
void histograms(const Hog<acc_t>& a, const acc_t* image, int64_t cy, const Edges<acc_t>& e, acc_t* out) {
  const int64_t width = a.width, cells_x = a.cells_x();
  std::vector<acc_t> buffer(3 * width);
  std::vector<int32_t> bin(width);
  acc_t *down = buffer.data(), *right = down + width, *square = right + width;
  std::fill_n(out, cells_x * a.bins, acc_t(0));
  for (int64_t y = cy * a.cell; y < (cy + 1) * a.cell; ++y) {
    std::fill(buffer.begin(), buffer.end(), acc_t(0));
    const bool outer = y == 0 || y == a.height - 1;
    for (int64_t c = 0; c < a.channels; ++c) {
      const acc_t* row = image + (c * a.height + y) * width;
      row_of(outer ? nullptr : row - width, row, outer ? nullptr : row + width, width, down, right, square);
    }
    bins_of(down, right, square, bin.data(), width, e, static_cast<int>(a.bins));
    for (int64_t cx = 0; cx < cells_x; ++cx) {
      for (int64_t x = cx * a.cell; x < (cx + 1) * a.cell; ++x) out[cx * a.bins + bin[x]] += square[x];
    }
  }
  const acc_t area = static_cast<acc_t>(a.cell * a.cell);
  for (int64_t i = 0; i < cells_x * a.bins; ++i) out[i] /= area;
}

}  // namespace

template <typename acc_t>
void run(const Hog<acc_t>& a) {
  const auto e = edges<acc_t>(a.bins);
  const int64_t cy = a.cells_y(), cx = a.cells_x(), by = a.blocks_y(), bx = a.blocks_x();
  const int64_t line = a.block * a.bins;  // a row of cells within a block
  std::vector<acc_t> raw(a.batch * cy * cx * a.bins);
  at::parallel_for(0, a.batch * cy, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      histograms(a, a.x + i / cy * a.channels * a.height * a.width, i % cy, e, raw.data() + i * cx * a.bins);
    }
  });
  at::parallel_for(0, a.batch * by, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t x = 0; x < bx; ++x) {
        acc_t* out = a.blocks + (i * bx + x) * a.block * line;
        for (int64_t v = 0; v < a.block; ++v) {
          std::copy_n(raw.data() + ((i / by * cy + i % by + v) * cx + x) * a.bins, line, out + v * line);
        }
        normalise(out, a.block * line, static_cast<acc_t>(a.clip));
      }
    }
  });
  at::parallel_for(0, a.batch * cy, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / cy, y = i % cy;
      const int64_t v0 = std::max<int64_t>(0, y - a.block + 1), v1 = std::min(y, by - 1);
      for (int64_t x = 0; x < cx; ++x) {
        acc_t* out = a.cells + (i * cx + x) * a.bins;
        std::fill_n(out, a.bins, acc_t(0));
        const int64_t u0 = std::max<int64_t>(0, x - a.block + 1), u1 = std::min(x, bx - 1);
        for (int64_t v = v0; v <= v1; ++v) {
          for (int64_t u = u0; u <= u1; ++u) {
            const acc_t* in = a.blocks + (((b * by + v) * bx + u) * a.block + y - v) * line + (x - u) * a.bins;
            for (int64_t k = 0; k < a.bins; ++k) out[k] += in[k];
          }
        }
        const acc_t count = static_cast<acc_t>((v1 - v0 + 1) * (u1 - u0 + 1));
        for (int64_t k = 0; k < a.bins; ++k) out[k] /= count;
      }
    }
  });
}

template void run(const Hog<float>&);
template void run(const Hog<double>&);

}  // namespace inpaintx::hog::cpu
