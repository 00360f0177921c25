// Reading the boundary and writing the blend, a row at a time. On the photo's grid rows lie in halves, images do not:
// these functions are where columns are split and joined.
#include "poisson/cpu/images.h"

#include <algorithm>
#include <cstring>

#include "common/isa.h"
#include "poisson/cpu/blocks.h"

namespace inpaintx::poisson {
namespace {

// Of 16 pixels from an even one on, even columns and odd ones: 1 for known pixels next to the hole.
struct Boundary {
  uint64_t even, odd;
  Boundary(const Level& level, int y, int x) {
    const auto masks = [&](int row, bool is_odd, int shift) {
      return chunk_of(level.mask_half(row, is_odd) + x / 2 + shift);
    };
    const uint64_t evens = masks(y, false, 0), odds = masks(y, true, 0);
    even = (masks(y - 1, false, 0) | masks(y + 1, false, 0) | masks(y, true, -1) | odds) & ~evens;
    odd = (masks(y - 1, true, 0) | masks(y + 1, true, 0) | evens | masks(y, false, 1)) & ~odds;
  }
};

// a - b where a mask says so, zero elsewhere, of 16 pixels; to even and odd columns.
template <class T, class M>
INPAINTX_INLINE void difference(T* __restrict even, T* __restrict odd, const T* a, const T* b, const M* at_even,
                                const M* at_odd) {
#pragma omp simd simdlen(8)
  for (int i = 0; i < kChunk; ++i) {
    const T of_even = a[2 * i] - b[2 * i], of_odd = a[2 * i + 1] - b[2 * i + 1];
    even[i] = at_even[i] ? of_even : T(0);
    odd[i] = at_odd[i] ? of_odd : T(0);
  }
}

template <class T>
INPAINTX_INLINE void boundary_row(const Level& level, int y, const HalfRows<T>& v, const Planes<const T>& fill,
                                  const Planes<const T>& image) {
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    for (int x = span.x0; x < span.x1 && !span.uniform(); x += kFineChunk) {
      const Boundary boundary(level, y, x);
      typename MaskOf<T>::type at_even[kChunk], at_odd[kChunk];
      widen(reinterpret_cast<const uint8_t*>(&boundary.even), at_even, kChunk);
      widen(reinterpret_cast<const uint8_t*>(&boundary.odd), at_odd, kChunk);
      for (int c = 0; c < v.channels; ++c) {
        T *even = v.at(y, c, 0) + x / 2, *odd = even + v.half;
        if (!(boundary.even | boundary.odd)) {
          std::fill_n(even, kChunk, T(0));
          std::fill_n(odd, kChunk, T(0));
          continue;
        }
        const T *a = image.at(c, y) + x, *b = fill.at(c, y) + x;
        if (x + kFineChunk <= level.w) {
          difference(even, odd, a, b, at_even, at_odd);
        } else {
          T part_of_a[kFineChunk] = {}, part_of_b[kFineChunk] = {};
          for (int i = 0; i < level.w - x; ++i) part_of_a[i] = a[i], part_of_b[i] = b[i];
          difference(even, odd, part_of_a, part_of_b, at_even, at_odd);
        }
      }
    }
  }
}
template <class T>
INPAINTX_INLINE void compose_span(T* __restrict out, const T* fill, const T* image, const T* even, const T* odd,
                                  const uint8_t* m, int n) {
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
INPAINTX_INLINE void compose_uniform(T* __restrict out, const T* fill, const T* even, const T* odd, int n) {
#pragma omp simd simdlen(8)
  for (int i = 0; i < n / 2; ++i) {
    out[2 * i] = fill[2 * i] + even[i];
    out[2 * i + 1] = fill[2 * i + 1] + odd[i];
  }
  if (n % 2) out[n - 1] = fill[n - 1] + even[n / 2];
}
}  // namespace

INPAINTX_CLONES void boundary(const Level& level, int y, const HalfRows<float>& v, const Planes<const float>& fill,
                              const Planes<const float>& image) {
  boundary_row(level, y, v, fill, image);
}
INPAINTX_CLONES void boundary(const Level& level, int y, const HalfRows<double>& v, const Planes<const double>& fill,
                              const Planes<const double>& image) {
  boundary_row(level, y, v, fill, image);
}

template <class T>
void prefetch_boundary(const Level& level, int y, int channels, const Planes<const T>& fill,
                       const Planes<const T>& image) {
  if (y >= level.h) return;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    for (int c = 0; c < channels && !span.uniform(); ++c) {
      prefetch(image.at(c, y) + span.x0, std::min(level.w, span.x1) - span.x0);
      prefetch(fill.at(c, y) + span.x0, std::min(level.w, span.x1) - span.x0);
    }
  }
}

template void prefetch_boundary(const Level&, int, int, const Planes<const float>&, const Planes<const float>&);
template void prefetch_boundary(const Level&, int, int, const Planes<const double>&, const Planes<const double>&);

INPAINTX_CLONES void compose(float* out, const float* fill, const float* image, const float* even, const float* odd,
                             const uint8_t* m, int n) {
  m ? compose_span(out, fill, image, even, odd, m, n) : compose_uniform(out, fill, even, odd, n);
}
INPAINTX_CLONES void compose(double* out, const double* fill, const double* image, const double* even,
                             const double* odd, const uint8_t* m, int n) {
  m ? compose_span(out, fill, image, even, odd, m, n) : compose_uniform(out, fill, even, odd, n);
}

}  // namespace inpaintx::poisson
