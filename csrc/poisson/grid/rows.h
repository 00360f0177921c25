// Row kernels of the cycle, as plain loops. They are always inlined: each is compiled for the instruction set of the
// function it stands in. Loops go chunk by chunk of eight with simdlen(8): no remainder is ever left, and the lanes of
// a sum are the same eight for every instruction set.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "common/inline.h"
#include "poisson/grid/hierarchy.h"
#include "poisson/math.h"

namespace inpaintx::poisson {

// A mask as wide as the values it selects among keeps the vector loops whole.
template <class T>
struct MaskOf;
template <>
struct MaskOf<float> {
  using type = int32_t;
};
template <>
struct MaskOf<double> {
  using type = int64_t;
};

// Not 0 where `from` is not, eight bytes of 0 or 1 at a time: picking bits of a word costs less than stretching bytes.
template <class M>
INPAINTX_INLINE void widen(const uint8_t* from, M* to, int n) {
  static_assert(std::endian::native == std::endian::little);
  for (int j = 0; j < n; j += kChunk) {
    uint32_t word[2];
    std::memcpy(word, from + j, sizeof word);
#pragma omp simd simdlen(8)
    for (int i = 0; i < kChunk; ++i) to[j + i] = M(word[i / 4] & (1u << (8 * (i % 4))));
  }
}

// A call works on one span of a row, n pixels of it, chunk by chunk; on all kChannels channels, whose rows lie `jump`
// apart in every array, with what they share at hand: spans are short, and there are many.

// ---- the photo's grid, n pixels of a half row: `beside[i - 1]` and `beside[i]` are left and right of v[i]

// A step of successive over-relaxation, in place; none of the other pixels changes meanwhile.
template <class T, int kChannels, bool kMixed, bool kRhs>
INPAINTX_INLINE void relax5_span(T* v, const T* up, const T* down, const T* beside, int64_t jump,
                                 const typename MaskOf<T>::type* m, const T* rhs, T omega, int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) {
        const int64_t o = c * jump + i;
        T r = residual5(v[o], up[o], down[o], beside[o - 1], beside[o]);
        if constexpr (kRhs) r += rhs[o];
        const T next = relax5(v[o], r, omega);
        if constexpr (kMixed)
          v[o] = m[i] ? next : v[o];
        else
          v[o] = next;
      }
    }
  }
}

// Adds squares to `sum`, lane by lane.
template <class T, int kChannels, bool kMixed, bool kRhs>
INPAINTX_INLINE void residual5_span(T* __restrict out, const T* v, const T* up, const T* down, const T* beside,
                                    int64_t jump, const typename MaskOf<T>::type* m, const T* rhs, T (*sum)[kChunk],
                                    int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int k = 0; k < kChunk; ++k) {
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) {
        const int64_t o = c * jump + j + k;
        T r = residual5(v[o], up[o], down[o], beside[o - 1], beside[o]);
        if constexpr (kRhs) r += rhs[o];
        if constexpr (kMixed) r = m[j + k] ? r : T(0);
        out[o] = r;
        sum[c][k] += r * r;
      }
    }
  }
}

// Adds the next grid's values, interpolated, to both halves of a row; kSet puts them there. `a` is the next grid's row,
// or `a` and `b` those on either side.
template <class T, int kChannels, bool kMixed, bool kSet, bool kBetween>
INPAINTX_INLINE void correct_span(T* even, T* odd, int64_t jump, const float* a, const float* b, int64_t coarse_jump,
                                  const typename MaskOf<T>::type* m_even, const typename MaskOf<T>::type* m_odd,
                                  int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) {
        const int64_t o = c * jump + i, p = c * coarse_jump + i;
        const float here = kBetween ? between(a[p], b[p]) : a[p];
        const float next = kBetween ? between(a[p + 1], b[p + 1]) : a[p + 1];
        const T e = kSet ? T(here) : even[o] + T(here),
                q = kSet ? T(between(here, next)) : odd[o] + T(between(here, next));
        even[o] = !kMixed || m_even[i] ? e : even[o];
        odd[o] = !kMixed || m_odd[i] ? q : odd[o];
      }
    }
  }
}

// Restricts three rows of halves; see add_rows.
template <class T>
INPAINTX_INLINE void restrict_halves(float* out, const T* above, const T* here, const T* below, int64_t half, T weight,
                                     const int32_t* m, int n) {
  const T *above_odd = above + half, *here_odd = here + half, *below_odd = below + half;
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
      const T up = gather3(above_odd[i - 1], above[i], above_odd[i]);
      const T down = gather3(below_odd[i - 1], below[i], below_odd[i]);
      const T r = gather3(here_odd[i - 1], here[i], here_odd[i]) + (T(0.5) * up + weight * down);
      out[i] = m[i] ? float(r) : 0.f;
    }
  }
}

// ---- between two grids

// line[0 .. 2n) from the n + 1 coarse values of row `a`, or of the mean of rows `a` and `b`. Whole chunks are read and
// written; what is too much stands in the padding.
INPAINTX_INLINE void interpolate_row(float* __restrict line, const float* a, const float* b, int n) {
  for (int j = 0; j < n; j += kChunk) {
    if (b != nullptr) {
#pragma omp simd simdlen(8)
      for (int i = j; i < j + kChunk; ++i) {
        const float here = between(a[i], b[i]);
        line[2 * i] = here;
        line[2 * i + 1] = between(here, between(a[i + 1], b[i + 1]));
      }
    } else {
#pragma omp simd simdlen(8)
      for (int i = j; i < j + kChunk; ++i) {
        line[2 * i] = a[i];
        line[2 * i + 1] = between(a[i], a[i + 1]);
      }
    }
  }
}

// The transpose, down the columns first: only one row is left to be read at every second place. line[kChunk + j] is
// column j of three rows; `weight` is below's: 1/2, or 1 where the grid ends there.
INPAINTX_INLINE void add_rows(const float* above, const float* here, const float* below, float weight,
                              float* __restrict line, int n) {
  line += kChunk;
  for (int j = -kChunk; j < 2 * n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) line[i] = here[i] + (0.5f * above[i] + weight * below[i]);
  }
}
// Then along that row: out[0 .. n) from columns 2i - 1, 2i, 2i + 1, where m says so; elsewhere zero.
INPAINTX_INLINE void gather_line(float* out, const float* line, const int32_t* m, int n) {
  line += kChunk;
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
      const float r = gather3(line[2 * i - 1], line[2 * i], line[2 * i + 1]);
      out[i] = m[i] ? r : 0.f;
    }
  }
}

// ---- coarse grids; kResidual gives the residual, in place of rhs if need be, instead of the next value

template <int kChannels, bool kResidual>
// A row of a mixed span, with stored coefficients: `coef` is that of the span's first chunk, [chunk][9][kChunk]. Each
// is loaded once for all channels: they are nine floats a pixel, where v, rhs and out are three a channel. Known pixels
// have zeros, and keep theirs.
INPAINTX_INLINE void row9_mixed(float* out, const float* v, const float* up, const float* down, const float* rhs,
                                int64_t jump, const float* coef, float omega, int n) {
  for (int j = 0; j < n; j += kChunk, coef += 9 * kChunk) {
#pragma omp simd simdlen(8)
    for (int k = 0; k < kChunk; ++k) {
      const float* a = coef + k;
      const float a0 = a[0], a1 = a[kChunk], a2 = a[2 * kChunk], a3 = a[3 * kChunk], inverse = a[4 * kChunk];
      const float a5 = a[5 * kChunk], a6 = a[6 * kChunk], a7 = a[7 * kChunk], a8 = a[8 * kChunk];
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) {
        const int64_t o = c * jump + j + k;
        const float above = a0 * up[o - 1] + a1 * up[o] + a2 * up[o + 1];
        const float below = a6 * down[o - 1] + a7 * down[o] + a8 * down[o + 1];
        const float sum = a3 * v[o - 1] + a5 * v[o + 1] + (above + below);
        if constexpr (kResidual)
          out[o] = inverse > 0 ? residual9(v[o], rhs[o], inverse, sum) : 0.f;
        else
          out[o] = relax9(v[o], rhs[o], inverse, sum, omega);
      }
    }
  }
}

// Eight floats in a register; kept in references, for by value a lesser processor would pass them otherwise.
using Chunk = float __attribute__((vector_size(kChunk * sizeof(float))));
using ChunkInMemory = float __attribute__((vector_size(kChunk * sizeof(float)), aligned(sizeof(float)), may_alias));
static_assert(kChunk == 8);
INPAINTX_INLINE const ChunkInMemory& chunk(const float* row) { return *reinterpret_cast<const ChunkInMemory*>(row); }

// The values left and right of those of `here`.
INPAINTX_INLINE void shift(const Chunk& before, const Chunk& here, const Chunk& after, Chunk& left, Chunk& right) {
#if __has_builtin(__builtin_shufflevector)
  left = __builtin_shufflevector(before, here, 7, 8, 9, 10, 11, 12, 13, 14);
  right = __builtin_shufflevector(here, after, 1, 2, 3, 4, 5, 6, 7, 8);
#else
  using Index = int32_t __attribute__((vector_size(sizeof(Chunk))));
  left = __builtin_shuffle(before, here, Index{7, 8, 9, 10, 11, 12, 13, 14});
  right = __builtin_shuffle(here, after, Index{1, 2, 3, 4, 5, 6, 7, 8});
#endif
}

// A column gives its two neighbors the same, edge * v + corner * (up + down), which is summed once for both.
template <int kChannels, bool kResidual>
INPAINTX_INLINE void row9_uniform(float* out, const float* v, const float* up, const float* down, const float* rhs,
                                  int64_t jump, const Level& level, float omega, int n) {
  const float edge = level.edge, corner = level.corner, inverse = level.inverse, diagonal = 1 / inverse;
  for (int c = 0; c < kChannels; ++c, out += jump, v += jump, up += jump, down += jump, rhs += jump) {
    Chunk ends = chunk(up) + chunk(down), here = edge * chunk(v) + corner * ends;
    Chunk before = edge * chunk(v - kChunk) + corner * (chunk(up - kChunk) + chunk(down - kChunk));
    for (int j = 0; j < n; j += kChunk) {
      const Chunk next_ends = chunk(up + j + kChunk) + chunk(down + j + kChunk);
      const Chunk after = edge * chunk(v + j + kChunk) + corner * next_ends;
      Chunk left, right;
      shift(before, here, after, left, right);
      const Chunk sum = edge * ends + (left + right), old = chunk(v + j), b = chunk(rhs + j);
      const Chunk value = kResidual ? b - (old - sum) * diagonal : old + omega * (b * inverse - old + sum);
      std::memcpy(out + j, &value, sizeof value);
      before = here, here = after, ends = next_ends;
    }
  }
}

}  // namespace inpaintx::poisson
