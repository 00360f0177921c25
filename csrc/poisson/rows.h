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
#pragma omp simd simdlen(8)
  for (int i = 0; i < n; ++i) to[i] = from[i];
}

// ---- finest grid

template <class T, bool kMixed, bool kRhs>
POISSON_INLINE void relax_row5(T* __restrict out, const T* v, const T* up, const T* down,
                               const typename MaskOf<T>::type* m, const T* rhs, T omega, int n) {
#pragma omp simd simdlen(8)
  for (int i = 0; i < n; ++i) {
    T r = residual5(v[i], up[i], down[i], v[i - 1], v[i + 1]);
    if constexpr (kRhs) r += rhs[i];
    const T next = relax5(v[i], r, omega);
    if constexpr (kMixed)
      out[i] = m[i] ? next : v[i];
    else
      out[i] = next;
  }
}

// Returns the sum of squares.
template <class T, bool kMixed, bool kRhs>
POISSON_INLINE T residual_row5(T* __restrict out, const T* v, const T* up, const T* down,
                               const typename MaskOf<T>::type* m, const T* rhs, int n) {
  T sum = 0;
#pragma omp simd simdlen(8) reduction(+ : sum)
  for (int i = 0; i < n; ++i) {
    T r = residual5(v[i], up[i], down[i], v[i - 1], v[i + 1]);
    if constexpr (kRhs) r += rhs[i];
    if constexpr (kMixed) r = m[i] ? r : T(0);
    out[i] = r;
    sum += r * r;
  }
  return sum;
}

template <class T, bool kMixed>
POISSON_INLINE void add_row(T* __restrict out, const T* v, const float* correction, const typename MaskOf<T>::type* m,
                            int n) {
#pragma omp simd simdlen(8)
  for (int i = 0; i < n; ++i) {
    const T next = v[i] + T(correction[i]);
    if constexpr (kMixed)
      out[i] = m[i] ? next : v[i];
    else
      out[i] = next;
  }
}

template <class T>
POISSON_INLINE void set_row(T* __restrict out, const float* correction, int n) {
#pragma omp simd simdlen(8)
  for (int i = 0; i < n; ++i) out[i] = T(correction[i]);
}

// Fetches what the row after this one will need.
template <class T>
POISSON_INLINE void prefetch_row([[maybe_unused]] const T* row, [[maybe_unused]] int n) {
#if defined(__GNUC__)
  for (int i = 0; i < n; i += 64 / int(sizeof(T))) __builtin_prefetch(row + i);
#endif
}

// ---- between two grids

// line[0 .. 2n) from the n + 1 coarse values of row `a`, or of the mean of rows `a` and `b`.
POISSON_INLINE void interpolate_row(float* __restrict line, float* __restrict mean, const float* a, const float* b,
                                    int n) {
  const float* c = a;
  if (b != nullptr) {
#pragma omp simd simdlen(8)
    for (int i = 0; i <= n; ++i) mean[i] = between(a[i], b[i]);
    c = mean;
  }
#pragma omp simd simdlen(8)
  for (int i = 0; i < n; ++i) {
    line[2 * i] = c[i];
    line[2 * i + 1] = between(c[i], c[i + 1]);
  }
}

// The transpose: out[0 .. n) from rows above, here and below at 2i - 1, 2i, 2i + 1, where m says so; elsewhere zero, or
// what was there. `weight` is below's: 1/2, or 1 where the grid ends there.
template <bool kKeep, class T>
POISSON_INLINE void restrict_row(float* __restrict out, T* __restrict sum, const T* above, const T* here,
                                 const T* below, T weight, const int32_t* m, int n) {
#pragma omp simd simdlen(8)
  for (int i = -1; i < 2 * n; ++i) sum[i] = here[i] + (T(0.5) * above[i] + weight * below[i]);
#pragma omp simd simdlen(8)
  for (int i = 0; i < n; ++i) {
    const T r = gather3(sum[2 * i - 1], sum[2 * i], sum[2 * i + 1]);
    out[i] = m[i] ? float(r) : kKeep ? out[i] : 0.f;
  }
}

// ---- coarse grids; kResidual gives the residual, in place of rhs if need be, instead of the next value

template <bool kResidual>
POISSON_INLINE void row9(float* out, const float* v, const float* up, const float* down, const float* rhs,
                         const float* coef, float omega, int n) {
  for (int j = 0; j < n; j += kChunk, coef += 9 * kChunk) {
#pragma omp simd simdlen(8)
    for (int k = 0; k < kChunk; ++k) {
      const int i = j + k;
      const float* a = coef + k;
      const float above = a[0] * up[i - 1] + a[kChunk] * up[i] + a[2 * kChunk] * up[i + 1];
      const float below = a[6 * kChunk] * down[i - 1] + a[7 * kChunk] * down[i] + a[8 * kChunk] * down[i + 1];
      const float sum = a[3 * kChunk] * v[i - 1] + a[5 * kChunk] * v[i + 1] + (above + below);
      const float inverse = a[4 * kChunk];
      if constexpr (kResidual) {
        out[i] = inverse > 0 ? residual9(v[i], rhs[i], inverse, sum) : 0.f;
      } else {
        out[i] = relax9(v[i], rhs[i], inverse, sum, omega);
      }
    }
  }
}

template <bool kResidual>
POISSON_INLINE void row9(float* out, const float* v, const float* up, const float* down, const float* rhs,
                         const Level& level, float omega, int n) {
  const float edge = level.edge, corner = level.corner, inverse = level.inverse;
#pragma omp simd simdlen(8)
  for (int i = 0; i < n; ++i) {
    const float edges = (v[i - 1] + v[i + 1]) + (up[i] + down[i]);
    const float corners = (up[i - 1] + up[i + 1]) + (down[i - 1] + down[i + 1]);
    const float sum = edge * edges + corner * corners;
    out[i] = kResidual ? residual9(v[i], rhs[i], inverse, sum) : relax9(v[i], rhs[i], inverse, sum, omega);
  }
}

}  // namespace inpaintx::poisson
