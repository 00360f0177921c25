// Coarse matrices from the coefficients of the finer grid, of the second coarse grid on (the first one's come from the
// mask, galerkin_mask.cpp), and the Cholesky factor of the last.
//
// P^T A P with P = Px Py is taken as Py^T (Px^T A Px) Py. Order of loops: rows of coarse pixels are shared by the
// threads; within a row, pieces of mixed spans; for a piece, three fine rows are each collapsed along x, then these
// three along y. Odd fine rows serve two coarse ones and are kept from one to the next (Shared). A coefficient comes
// from the same additions whichever thread has its row, kept or not.
#include "poisson/grid/galerkin.h"

#include <algorithm>
#include <cmath>

#include "common/isa.h"
#include "common/parallel.h"
#include "poisson/grid/rows.h"

namespace inpaintx::poisson {
namespace {

// Nine rows of a piece, fine and coarse, are some 40 KB: near enough to the first-level cache.
constexpr int kPiece = 256;  // coarse pixels of a row worked on at once

// Coefficients of one fine row; index 3 (dy + 1) + dx + 1. Whole chunks are written, so there is one to spare on the
// left.
using FineRow = float[9][2 * kPiece + 4 * kChunk];
using CoarseRow = float[9][kPiece];

// Masks of three rows from a chunk before x0 to one behind x0 + n. Stored and read
// back apart, since a load that spans several recent stores cannot be forwarded and stalls.
template <size_t kSize>
INPAINTX_INLINE void widen_three(const uint8_t* up, const uint8_t* m, const uint8_t* down, int n,
                                 int32_t (&wide)[3][kSize]) {
  const uint8_t* rows[] = {up, m, down};
  for (int k = 0; k < 3; ++k) widen(rows[k] - kChunk, wide[k], n + 2 * kChunk);
}

// One chunk: stored, uniform, or zero for known pixels and beyond the grid.
INPAINTX_INLINE void read_chunk(const Level& level, const Span* span, int x, float* a, int64_t row) {
  if (!span) {
    for (int k = 0; k < 9; ++k) {
      for (int i = 0; i < kChunk; ++i) a[k * row + i] = 0;
    }
  } else if (span->uniform()) {
    for (int k = 0; k < 9; ++k) {
      const float value = (k == 4 ? 1 : k % 2 ? -level.edge : -level.corner) / level.inverse;
      for (int i = 0; i < kChunk; ++i) a[k * row + i] = value;
    }
  } else {
    const float* coef = level.coef.as<float>() + span->coef + 9 * (x - span->x0);
    float diagonal[kChunk];
#pragma omp simd simdlen(8)
    for (int i = 0; i < kChunk; ++i) {
      const float inverse = coef[4 * kChunk + i];
      diagonal[i] = inverse > 0 ? 1 / inverse : 0.f;
    }
    for (int k = 0; k < 9; ++k) {
#pragma omp simd simdlen(8)
      for (int i = 0; i < kChunk; ++i) a[k * row + i] = k == 4 ? diagonal[i] : -coef[k * kChunk + i] * diagonal[i];
    }
  }
}

// Coefficients of fine row y at columns x0 .. x0 + n - 1, column x0 at index kChunk.
INPAINTX_CLONES void read_matrix(const Level& level, int y, int x0, int n, FineRow& a) {
  if (y < 0 || y >= level.h) {
    for (auto& row : a) std::fill_n(row + kChunk, n, 0.f);
    return;
  }
  const Span* span = level.spans.data() + level.first[y];
  const Span* end = level.spans.data() + level.first[y + 1];
  for (int x = x0 & ~(kChunk - 1); x < x0 + n; x += kChunk) {
    while (span != end && span->x1 <= x) ++span;
    read_chunk(level, span != end && span->x0 <= x ? span : nullptr, x, a[0] + kChunk + x - x0, a[1] - a[0]);
  }
}

// Product with one-dimensional interpolation from both sides: three neighbouring rows of a matrix (before, at and after
// the coarse position), each with coefficients (minus, zero, plus), become the coarse row's three.
struct Three {
  float minus, zero, plus;
};
inline Three product(Three before, Three at, Three after) {
  return {
      0.5f * at.minus + 0.5f * (0.5f * before.zero + before.minus),
      at.zero + 0.5f * (at.minus + at.plus) + 0.5f * (0.5f * (before.zero + after.zero) + before.plus + after.minus),
      0.5f * at.plus + 0.5f * (0.5f * after.zero + after.plus)};
}
// The same where the grid ends after `after`, which then has this coarse position alone to interpolate from.
inline Three product_at_end(Three before, Three at, Three after) {
  return {0.5f * at.minus + 0.5f * (0.5f * before.zero + before.minus),
          at.zero + at.plus + 0.5f * at.minus + after.zero + after.minus + 0.5f * (0.5f * before.zero + before.plus),
          0.f};
}

// A row by odd and even columns, odd[0] being the one before even[0].
struct Halves {
  float odd[kPiece + kChunk], even[kPiece + kChunk];
};
INPAINTX_INLINE void halve(const float* row, int n, Halves& out) {
  for (int start = 0; start <= n; start += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = start; i < start + kChunk; ++i) out.odd[i] = row[2 * i], out.even[i] = row[2 * i + 1];
  }
}

// `a` holds columns from 2 X0 - 2 on.
INPAINTX_CLONES void collapse_columns(const FineRow& a, int n, int end, CoarseRow& out) {
  // All rows first: avoids store-forwarding stalls, of loads that span several recent stores.
  Halves halves[9];
  for (int k = 0; k < 9; ++k) halve(a[k] + kChunk + 1, n, halves[k]);
  for (int k = 0; k < 9; k += 3) {
    const Halves &minus = halves[k], &zero = halves[k + 1], &plus = halves[k + 2];
    for (int start = 0; start < n; start += kChunk) {
#pragma omp simd simdlen(8)
      for (int i = start; i < start + kChunk; ++i) {
        const Three t = product({minus.odd[i], zero.odd[i], plus.odd[i]}, {minus.even[i], zero.even[i], plus.even[i]},
                                {minus.odd[i + 1], zero.odd[i + 1], plus.odd[i + 1]});
        out[k][i] = t.minus, out[k + 1][i] = t.zero, out[k + 2][i] = t.plus;
      }
    }
    if (end >= 0 && end < n) {
      const auto column = [&](int j) {
        const int at = kChunk + 1 + 2 * end + j;
        return Three{a[k][at], a[k + 1][at], a[k + 2][at]};
      };
      const Three t = product_at_end(column(0), column(1), column(2));
      out[k][end] = t.minus, out[k + 1][end] = t.zero, out[k + 2][end] = t.plus;
    }
  }
}
INPAINTX_CLONES void collapse_rows(const CoarseRow& above, const CoarseRow& here, const CoarseRow& below, int n,
                                   bool end, CoarseRow& out) {
  for (int k = 0; k < 3; ++k) {
    if (end) {
      for (int i = 0; i < n; ++i) {
        const Three t = product_at_end({above[k][i], above[k + 3][i], above[k + 6][i]},
                                       {here[k][i], here[k + 3][i], here[k + 6][i]},
                                       {below[k][i], below[k + 3][i], below[k + 6][i]});
        out[k][i] = t.minus, out[k + 3][i] = t.zero, out[k + 6][i] = t.plus;
      }
      continue;
    }
    for (int start = 0; start < n; start += kChunk) {
#pragma omp simd simdlen(8)
      for (int i = start; i < start + kChunk; ++i) {
        const Three t =
            product({above[k][i], above[k + 3][i], above[k + 6][i]}, {here[k][i], here[k + 3][i], here[k + 6][i]},
                    {below[k][i], below[k + 3][i], below[k + 6][i]});
        out[k][i] = t.minus, out[k + 3][i] = t.zero, out[k + 6][i] = t.plus;
      }
    }
  }
}

// Divides by the diagonal, drops what belongs to known pixels, and stores a piece of a span.
INPAINTX_CLONES void store_coefficients(const CoarseRow& a, const uint8_t* up, const uint8_t* m, const uint8_t* down,
                                        int n, float* out) {
  int32_t wide[3][kPiece + 2 * kChunk];
  widen_three(up, m, down, n, wide);
  for (int x = 0; x < n; x += kChunk, out += 9 * kChunk) {
#pragma omp simd simdlen(8)
    for (int i = 0; i < kChunk; ++i) {
      const float all = 1.f / a[4][x + i];
      const float inverse = wide[1][kChunk + x + i] ? all : 0.f;
#pragma GCC unroll 9
      for (int k = 0; k < 9; ++k) {
        const float value = -a[k][x + i] * inverse;
        out[k * kChunk + i] = k == 4 ? inverse : wide[k / 3][kChunk + k % 3 - 1 + x + i] ? value : 0.f;
      }
    }
  }
}

}  // namespace

// A fine row between two coarse ones serves both: what the coarse row before left at this place of its own list.
struct Shared {
  int x = 0, n = 0, y = -2;  // of coarse row y, columns x .. x + n - 1
  CoarseRow below[2];        // by the parity of y
};

void fill_coefficients(const Level& fine, Level& coarse) {
  const int end = fine.w % 2 == 0 ? coarse.w - 1 : -1;
  parallel_for(0, coarse.h, rows_per_task(coarse.w, 20), [&](int64_t begin, int64_t stop) {
    FineRow a;
    CoarseRow first, middle, product;
    std::vector<Shared> shared;
    for (int y = begin; y < stop; ++y) {
      size_t piece = 0;
      for (int64_t s = coarse.first[y]; s < coarse.first[y + 1]; ++s) {
        const Span& span = coarse.spans[s];
        if (span.uniform()) continue;
        for (int x = span.x0; x < span.x1; x += kPiece, ++piece) {
          const int n = std::min(kPiece, span.x1 - x);
          const auto collapsed = [&](int row, CoarseRow& out) {
            read_matrix(fine, row, 2 * x - 2, 2 * n + 4, a);
            collapse_columns(a, n, end - x, out);
          };
          if (piece == shared.size()) shared.emplace_back();
          Shared& left = shared[piece];
          const bool known = left.y == y - 1 && left.x == x && left.n == n;
          if (!known) collapsed(2 * y - 1, first);
          collapsed(2 * y, middle);
          collapsed(2 * y + 1, left.below[y % 2]);
          left.x = x, left.n = n, left.y = y;
          collapse_rows(known ? left.below[(y + 1) % 2] : first, middle, left.below[y % 2], n,
                        fine.h % 2 == 0 && y == coarse.h - 1, product);
          store_coefficients(product, coarse.mask_row(y - 1) + x, coarse.mask_row(y) + x, coarse.mask_row(y + 1) + x, n,
                             coarse.coef.as<float>() + span.coef + 9 * (x - span.x0));
        }
      }
    }
  });
}

// The same product of one stencil that holds everywhere: the sums of all rows are one row's.
Stencil coarsen(Stencil s) {
  const Three outer{s.corner, s.edge, s.corner}, middle{s.edge, s.centre, s.edge};
  const Three o = product(outer, outer, outer), m = product(middle, middle, middle);
  const Three side = product({o.minus, m.minus, o.minus}, {o.minus, m.minus, o.minus}, {o.minus, m.minus, o.minus});
  const Three centre = product({o.zero, m.zero, o.zero}, {o.zero, m.zero, o.zero}, {o.zero, m.zero, o.zero});
  return {centre.zero, centre.minus, side.minus};
}

// Dense, for at most kDense unknowns, in double: the coarsest residual holds what no smoothing step has touched. The
// matrix is positive definite wherever a pixel is known (a hole of the whole photo is never solved), so no pivot is 0.
void factorise(const Level& level, std::vector<int32_t>& unknowns, std::vector<double>& factor) {
  std::vector<int> index(level.h * level.w, -1);
  for (int y = 0; y < level.h; ++y) {
    for (int x = 0; x < level.w; ++x) {
      if (!level.mask_row(y)[x]) continue;
      index[y * level.w + x] = unknowns.size();
      unknowns.push_back(y * level.w + x);
    }
  }
  const int n = unknowns.size();
  factor.assign(size_t(n) * n, 0.);
  for (int i = 0; i < n; ++i) {
    const int y = unknowns[i] / level.w, x = unknowns[i] % level.w;
    FineRow a;
    read_matrix(level, y, x, 1, a);
    for (int k = 0; k < 9; ++k) {
      const int ny = y + k / 3 - 1, nx = x + k % 3 - 1;
      if (ny < 0 || ny >= level.h || nx < 0 || nx >= level.w) continue;
      const int j = index[ny * level.w + nx];
      if (j >= 0) factor[size_t(i) * n + j] = a[k][kChunk];
    }
  }
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j <= i; ++j) {
      double sum = factor[size_t(i) * n + j];
      for (int k = 0; k < j; ++k) sum -= factor[size_t(i) * n + k] * factor[size_t(j) * n + k];
      factor[size_t(i) * n + j] = i == j ? std::sqrt(sum) : sum / factor[size_t(j) * n + j];
    }
  }
}

}  // namespace inpaintx::poisson
