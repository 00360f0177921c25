// Row kernels of the cycle, as plain loops. They are always inlined: each is compiled for the instruction set of the
// function it stands in.
#pragma once

#include <cstdint>

#include "poisson/hierarchy.h"
#include "poisson/math.h"

#if defined(__GNUC__)
#define POISSON_INLINE inline __attribute__((always_inline))
#else
#define POISSON_INLINE inline
#endif

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

template <class M>
POISSON_INLINE void widen(const uint8_t* from, M* to, int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) to[i] = from[i];
  }
}

// A call works on one span of a row, n pixels of it, chunk by chunk; on all kChannels channels, whose rows lie `jump`
// apart in every array, with what they share at hand: spans are short, and there are many.

// ---- finest grid

template <class T, int kChannels, bool kMixed, bool kRhs>
POISSON_INLINE void relax5_span(T* out, const T* v, const T* up, const T* down, int64_t jump,
                                const typename MaskOf<T>::type* m, const T* rhs, T omega, int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) {
        const int64_t o = c * jump + i;
        T r = residual5(v[o], up[o], down[o], v[o - 1], v[o + 1]);
        if constexpr (kRhs) r += rhs[o];
        const T next = relax5(v[o], r, omega);
        if constexpr (kMixed)
          out[o] = m[i] ? next : v[o];
        else
          out[o] = next;
      }
    }
  }
}

// Adds squares to `sum`, lane by lane.
template <class T, int kChannels, bool kMixed, bool kRhs>
POISSON_INLINE void residual5_span(T* out, const T* v, const T* up, const T* down, int64_t jump,
                                   const typename MaskOf<T>::type* m, const T* rhs, T (*sum)[kChunk], int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int k = 0; k < kChunk; ++k) {
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) {
        const int64_t o = c * jump + j + k;
        T r = residual5(v[o], up[o], down[o], v[o - 1], v[o + 1]);
        if constexpr (kRhs) r += rhs[o];
        if constexpr (kMixed) r = m[j + k] ? r : T(0);
        out[o] = r;
        sum[c][k] += r * r;
      }
    }
  }
}

template <class T, int kChannels>
POISSON_INLINE void copy_span(T* __restrict out, const T* v, int64_t jump, int n) {
  for (int c = 0; c < kChannels; ++c) {
    for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
      for (int i = j; i < j + kChunk; ++i) out[c * jump + i] = v[c * jump + i];
    }
  }
}

// In chunks, as above; one channel.
template <class T, bool kMixed>
POISSON_INLINE void add_row(T* __restrict out, const T* v, const float* correction, const typename MaskOf<T>::type* m,
                            int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
      const T next = v[i] + T(correction[i]);
      if constexpr (kMixed)
        out[i] = m[i] ? next : v[i];
      else
        out[i] = next;
    }
  }
}

template <class T>
POISSON_INLINE void set_row(T* __restrict out, const float* correction, int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) out[i] = T(correction[i]);
  }
}

// ---- between two grids

// line[0 .. 2n) from the n + 1 coarse values of row `a`, or of the mean of rows `a` and `b`. Whole chunks are read and
// written; what is too much stands in the padding.
POISSON_INLINE void interpolate_row(float* __restrict line, const float* a, const float* b, int n) {
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

// The transpose: out[0 .. n) from rows above, here and below at 2i - 1, 2i, 2i + 1, where m says so; elsewhere zero, or
// what was there. `weight` is below's: 1/2, or 1 where the grid ends there.
template <bool kKeep, class T>
POISSON_INLINE void restrict_row(float* out, const T* above, const T* here, const T* below, T weight, const int32_t* m,
                                 int n) {
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
      const T up = gather3(above[2 * i - 1], above[2 * i], above[2 * i + 1]);
      const T down = gather3(below[2 * i - 1], below[2 * i], below[2 * i + 1]);
      const T r = gather3(here[2 * i - 1], here[2 * i], here[2 * i + 1]) + (T(0.5) * up + weight * down);
      out[i] = m[i] ? float(r) : kKeep ? out[i] : 0.f;
    }
  }
}

// ---- coarse grids; kResidual gives the residual, in place of rhs if need be, instead of the next value

template <int kChannels, bool kResidual>
POISSON_INLINE void row9_mixed(float* out, const float* v, const float* up, const float* down, const float* rhs,
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

template <int kChannels, bool kResidual>
POISSON_INLINE void row9_uniform(float* out, const float* v, const float* up, const float* down, const float* rhs,
                                 int64_t jump, const Level& level, float omega, int n) {
  const float edge = level.edge, corner = level.corner, inverse = level.inverse;
  for (int j = 0; j < n; j += kChunk) {
#pragma omp simd simdlen(8)
    for (int i = j; i < j + kChunk; ++i) {
#pragma GCC unroll 4
      for (int c = 0; c < kChannels; ++c) {
        const int64_t o = c * jump + i;
        const float edges = (v[o - 1] + v[o + 1]) + (up[o] + down[o]);
        const float corners = (up[o - 1] + up[o + 1]) + (down[o - 1] + down[o + 1]);
        const float sum = edge * edges + corner * corners;
        out[o] = kResidual ? residual9(v[o], rhs[o], inverse, sum) : relax9(v[o], rhs[o], inverse, sum, omega);
      }
    }
  }
}

}  // namespace inpaintx::poisson
