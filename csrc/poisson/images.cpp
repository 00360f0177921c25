#include "poisson/images.h"

#include <algorithm>
#include <cstring>

#include "common/simd.h"
#include "poisson/blocks.h"

namespace inpaintx::poisson {
namespace {

// Of the chunk at x, 1 for known pixels next to the hole.
uint64_t rim_of(const Level& level, int y, int x) {
  const uint8_t* m = level.mask_row(y) + x;
  const uint64_t near = chunk_of(m - level.stride) | chunk_of(m + level.stride) | chunk_of(m - 1) | chunk_of(m + 1);
  return near & ~chunk_of(m);
}

// a - b where `word` says so, zero elsewhere, on the n first pixels of a chunk; to even and odd columns.
template <class T>
inline __attribute__((always_inline)) void difference(T* even, T* odd, const T* a, const T* b, uint64_t word, int n) {
  uint8_t m[kChunk];
  typename MaskOf<T>::type wide[kChunk];
  std::memcpy(m, &word, sizeof word);
  widen(m, wide, kChunk);
  T line[kChunk] = {};
  if (n < kChunk) {
    for (int i = 0; i < n; ++i) line[i] = m[i] ? a[i] - b[i] : T(0);
  } else {
#pragma omp simd simdlen(8)
    for (int i = 0; i < kChunk; ++i) {
      const T all = a[i] - b[i];
      line[i] = wide[i] ? all : T(0);
    }
  }
#pragma omp simd simdlen(4)
  for (int i = 0; i < kChunk / 2; ++i) even[i] = line[2 * i], odd[i] = line[2 * i + 1];
}

template <class T>
inline __attribute__((always_inline)) void rim_row(const Level& level, int y, const HalfRows<T>& v,
                                                   const Planes<const T>& fill, const Planes<const T>& image) {
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    if (span.uniform()) continue;
    for (int x = span.x0; x < span.x1; x += kChunk) {
      const uint64_t word = rim_of(level, y, x);
      for (int c = 0; c < v.channels; ++c) {
        T *even = v.at(y, c, 0) + x / 2, *odd = even + v.half;
        if (word && x < level.w) {
          difference(even, odd, image.at(c, y) + x, fill.at(c, y) + x, word, std::min(kChunk, level.w - x));
        } else {
          std::fill_n(even, kChunk / 2, T(0));
          std::fill_n(odd, kChunk / 2, T(0));
        }
      }
    }
  }
}
template <class T>
inline __attribute__((always_inline)) void compose_span(T* __restrict out, const T* fill, const T* image, const T* even,
                                                        const T* odd, const uint8_t* m, int n) {
  for (int j = 0; j < n; j += kFineChunk) {
    T v[kFineChunk];
    typename MaskOf<T>::type wide[kFineChunk];
    widen(m + j, wide, kFineChunk);
#pragma omp simd simdlen(8)
    for (int i = 0; i < kChunk; ++i) v[2 * i] = even[j / 2 + i], v[2 * i + 1] = odd[j / 2 + i];
    if (j + kFineChunk > n) {
      for (int i = 0; i < n - j; ++i) out[j + i] = wide[i] ? fill[j + i] + v[i] : image[j + i];
      return;
    }
#pragma omp simd simdlen(8)
    for (int i = 0; i < kFineChunk; ++i) {
      const T blended = fill[j + i] + v[i], known = image[j + i];
      out[j + i] = wide[i] ? blended : known;
    }
  }
}
// The same where all is hole.
template <class T>
inline __attribute__((always_inline)) void compose_uniform(T* __restrict out, const T* fill, const T* even,
                                                           const T* odd, int n) {
#pragma omp simd simdlen(8)
  for (int i = 0; i < n / 2; ++i) {
    out[2 * i] = fill[2 * i] + even[i];
    out[2 * i + 1] = fill[2 * i + 1] + odd[i];
  }
  if (n % 2) out[n - 1] = fill[n - 1] + even[n / 2];
}
template <class T>
inline __attribute__((always_inline)) void add_span(T* __restrict out, const T* fill, const float* v, int n) {
#pragma omp simd
  for (int i = 0; i < n; ++i) out[i] = fill[i] + T(v[i]);
}
}  // namespace

INPAINTX_CLONES void rim(const Level& level, int y, const HalfRows<float>& v, const Planes<const float>& fill,
                         const Planes<const float>& image) {
  rim_row(level, y, v, fill, image);
}
INPAINTX_CLONES void rim(const Level& level, int y, const HalfRows<double>& v, const Planes<const double>& fill,
                         const Planes<const double>& image) {
  rim_row(level, y, v, fill, image);
}

template <class T>
void expect_rim(const Level& level, int y, int channels, const Planes<const T>& fill, const Planes<const T>& image) {
  if (y >= level.h) return;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    for (int c = 0; c < channels && !span.uniform(); ++c) {
      prefetch_span(image.at(c, y) + span.x0, std::min(level.w, span.x1) - span.x0);
      prefetch_span(fill.at(c, y) + span.x0, std::min(level.w, span.x1) - span.x0);
    }
  }
}

template void expect_rim(const Level&, int, int, const Planes<const float>&, const Planes<const float>&);
template void expect_rim(const Level&, int, int, const Planes<const double>&, const Planes<const double>&);

INPAINTX_CLONES void compose(float* out, const float* fill, const float* image, const float* even, const float* odd,
                             const uint8_t* m, int n) {
  m ? compose_span(out, fill, image, even, odd, m, n) : compose_uniform(out, fill, even, odd, n);
}
INPAINTX_CLONES void compose(double* out, const double* fill, const double* image, const double* even,
                             const double* odd, const uint8_t* m, int n) {
  m ? compose_span(out, fill, image, even, odd, m, n) : compose_uniform(out, fill, even, odd, n);
}

INPAINTX_CLONES void add(float* out, const float* fill, const float* v, int n) { add_span(out, fill, v, n); }
INPAINTX_CLONES void add(double* out, const double* fill, const float* v, int n) { add_span(out, fill, v, n); }

INPAINTX_CLONES void far_line(const Rows<float>& coarse, int coarse_h, int y, int c, const Span& span, float* line) {
  interpolate(coarse, coarse_h, y, c, span, line);
}

}  // namespace inpaintx::poisson
