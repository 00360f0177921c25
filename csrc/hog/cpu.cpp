// Histograms of oriented gradients on the CPU, in three loops over rows: the histograms of a row of cells, L2-Hys of a
// row of blocks, and for each cell the mean over the blocks that hold it. Channels are compared by their squared
// magnitude, so that the root is taken once a pixel; a bin is found by comparing the direction with the bins' edges
// (math.h), for an arc tangent costs more than all the rest.
#include <algorithm>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "hog/kernels.h"
#include "hog/math.h"

namespace inpaintx::hog::cpu {
namespace {

// Gradient of one row and channel: [-1,0,1], zero at the outer rows and columns; up or below may be null (outer row).
// Keeps the gradient where it is larger than what the channels before left there.
template <typename acc_t>
INPAINTX_INLINE void gradient(const acc_t* up, const acc_t* row, const acc_t* below, int64_t width, acc_t* down,
                              acc_t* right, acc_t* square) {
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

// Adds the magnitudes of a row to the sums of the edges that each gradient's direction has passed (bin_of): those of
// the i-th edge are of bin i and of all after it, so that bins are differences, exactly 0 where nothing lies between.
template <typename acc_t>
INPAINTX_INLINE void tally(acc_t* down, acc_t* right, acc_t* square, int64_t width, const Edges<acc_t>& e, int bins,
                           acc_t* passed) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) {
    const bool fold = down[x] < 0 || (down[x] == 0 && right[x] < 0);
    down[x] = fold ? -down[x] : down[x];
    right[x] = fold ? -right[x] : right[x];
    square[x] = std::sqrt(square[x]);
    passed[x] += square[x];
  }
  for (int i = 1; i < bins; ++i) {  // an edge at a time over the row
    const acc_t c = e.cosine[i], s = e.sine[i];
    acc_t* const sum = passed + i * width;
#pragma omp simd
    for (int64_t x = 0; x < width; ++x) {
      const acc_t u = c * down[x], v = s * right[x];  // compared, not subtracted: a fused multiply-add would break ties
      sum[x] += u >= v ? square[x] : acc_t(0);
    }
  }
}

// L2-Hys of a row of blocks: normalise, clip, normalise again. `cells`: the first of a.block rows of cells.
template <typename acc_t>
INPAINTX_INLINE void l2_hys(const Hog<acc_t>& a, const acc_t* cells, acc_t* norm, acc_t* out) {
  const int64_t cells_x = a.cells_x(), blocks_x = a.blocks_x(), line = a.block * a.bins, size = a.block * line;
  const acc_t clip = static_cast<acc_t>(a.clip), least = acc_t(1e-10);
  acc_t* const squares = norm + blocks_x;  // of each column of cells
  for (int64_t x = 0; x < cells_x; ++x) {
    acc_t sum = 0;
    for (int64_t v = 0; v < a.block; ++v) {
      const acc_t* cell = cells + (v * cells_x + x) * a.bins;
#pragma omp simd reduction(+ : sum)
      for (int64_t k = 0; k < a.bins; ++k) sum += cell[k] * cell[k];
    }
    squares[x] = sum;
  }
  std::fill_n(norm, blocks_x, least);
  for (int64_t u = 0; u < a.block; ++u) {
#pragma omp simd
    for (int64_t x = 0; x < blocks_x; ++x) norm[x] += squares[x + u];
  }
#pragma omp simd
  for (int64_t x = 0; x < blocks_x; ++x) norm[x] = 1 / std::sqrt(norm[x]);
  for (int64_t x = 0; x < blocks_x; ++x) {
    const acc_t scale = norm[x];
    acc_t sum = least;
    for (int64_t v = 0; v < a.block; ++v) {
      const acc_t* cell = cells + (v * cells_x + x) * a.bins;
      acc_t* to = out + x * size + v * line;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < line; ++i) {
        to[i] = std::min(cell[i] * scale, clip);
        sum += to[i] * to[i];
      }
    }
    norm[x] = sum;
  }
#pragma omp simd
  for (int64_t x = 0; x < blocks_x; ++x) norm[x] = 1 / std::sqrt(norm[x]);
  for (int64_t x = 0; x < blocks_x; ++x) {
    acc_t* to = out + x * size;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) to[i] *= norm[x];
  }
}

// The row functions for float and double, compiled for the levels of isa.h: a template cannot be.
INPAINTX_CLONES void row_of(const float* up, const float* row, const float* below, int64_t width, float* d, float* r,
                            float* m) {
  gradient(up, row, below, width, d, r, m);
}
INPAINTX_CLONES void row_of(const double* up, const double* row, const double* below, int64_t width, double* d,
                            double* r, double* m) {
  gradient(up, row, below, width, d, r, m);
}
INPAINTX_CLONES void tally_of(float* d, float* r, float* m, int64_t width, const Edges<float>& e, int bins,
                              float* sums) {
  tally(d, r, m, width, e, bins, sums);
}
INPAINTX_CLONES void tally_of(double* d, double* r, double* m, int64_t width, const Edges<double>& e, int bins,
                              double* sums) {
  tally(d, r, m, width, e, bins, sums);
}

INPAINTX_CLONES void normalise(const Hog<float>& a, const float* cells, float* norm, float* out) {
  l2_hys(a, cells, norm, out);
}
INPAINTX_CLONES void normalise(const Hog<double>& a, const double* cells, double* norm, double* out) {
  l2_hys(a, cells, norm, out);
}

// Histograms of one row of cells, averaged over the cell's area.
template <typename acc_t>
void histograms(const Hog<acc_t>& a, const acc_t* image, int64_t cy, const Edges<acc_t>& e, acc_t* out) {
  const int64_t width = a.width, cells_x = a.cells_x();
  std::vector<acc_t> buffer((3 + a.bins) * width);
  acc_t *down = buffer.data(), *right = down + width, *square = right + width, *passed = square + width;
  for (int64_t y = cy * a.cell; y < (cy + 1) * a.cell; ++y) {
    std::fill(down, passed, acc_t(0));
    const bool outer = y == 0 || y == a.height - 1;
    for (int64_t c = 0; c < a.channels; ++c) {
      const acc_t* row = image + (c * a.height + y) * width;
      row_of(outer ? nullptr : row - width, row, outer ? nullptr : row + width, width, down, right, square);
    }
    tally_of(down, right, square, width, e, static_cast<int>(a.bins), passed);
  }
  const acc_t area = static_cast<acc_t>(a.cell * a.cell);
  for (int64_t cx = 0; cx < cells_x; ++cx) {
    acc_t after = 0;
    for (int64_t k = a.bins - 1; k >= 0; --k) {
      acc_t sum = 0;
      for (int64_t x = cx * a.cell; x < (cx + 1) * a.cell; ++x) sum += passed[k * width + x];
      out[cx * a.bins + k] = (sum - after) / area;
      after = sum;
    }
  }
}

// Rows of cells that are worth another thread: a quarter of a millisecond.
template <typename acc_t>
int64_t worthwhile_rows(const Hog<acc_t>& a) {
  return 1 + (1 << 18) / (a.channels * a.cell * a.width);
}

}  // namespace

template <typename acc_t>
// Each loop writes rows of its own and reads those of the loop before, whole: cells average blocks of several rows, so
// that the three cannot be one.
void histograms(const Hog<acc_t>& a) {
  const auto e = edges<acc_t>(a.bins);
  const int64_t cy = a.cells_y(), cx = a.cells_x(), by = a.blocks_y(), bx = a.blocks_x();
  const int64_t line = a.block * a.bins;  // a row of cells within a block
  std::vector<acc_t> raw(a.batch * cy * cx * a.bins);
  parallel_for(0, a.batch * cy, worthwhile_rows(a), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      histograms(a, a.x + i / cy * a.channels * a.height * a.width, i % cy, e, raw.data() + i * cx * a.bins);
    }
  });
  parallel_for(0, a.batch * by, worthwhile_rows(a), [&](int64_t begin, int64_t end) {
    std::vector<acc_t> norm(bx + cx);
    for (int64_t i = begin; i < end; ++i) {
      normalise(a, raw.data() + (i / by * cy + i % by) * cx * a.bins, norm.data(), a.blocks + i * bx * a.block * line);
    }
  });
  parallel_for(0, a.batch * cy, worthwhile_rows(a), [&](int64_t begin, int64_t end) {
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
        const acc_t share = 1 / static_cast<acc_t>((v1 - v0 + 1) * (u1 - u0 + 1));
        for (int64_t k = 0; k < a.bins; ++k) out[k] *= share;
      }
    }
  });
}

template void histograms(const Hog<float>&);
template void histograms(const Hog<double>&);

}  // namespace inpaintx::hog::cpu
