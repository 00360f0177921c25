// Between the images and the solver's unknown v: the boundary is read from them, the blend is written. On raw pointers.
#pragma once

#include <cstdint>

#include "poisson/grid/hierarchy.h"

namespace inpaintx::poisson {

// [channels, height, width], each row contiguous.
template <class T>
struct Planes {
  T* data;
  int64_t channel, row;  // strides in elements
  T* at(int64_t c, int64_t y) const { return data + c * channel + y * row; }
};

// v on row y: image - fill on the boundary, zero elsewhere; what is uniform is left alone. `fill` and `image` start
// where the grid does.
void boundary(const Level& level, int y, const HalfRows<float>& v, const Planes<const float>& fill,
              const Planes<const float>& image);
void boundary(const Level& level, int y, const HalfRows<double>& v, const Planes<const double>& fill,
              const Planes<const double>& image);

// Asks for what boundary() will need of row y.
template <class T>
void prefetch_boundary(const Level& level, int y, int channels, const Planes<const T>& fill,
                       const Planes<const T>& image);

// out = fill + v in the hole, image elsewhere, on n pixels. v comes by its even and its odd columns; of v and m whole
// chunks are read. Without m all of it is hole.
void compose(float* out, const float* fill, const float* image, const float* even, const float* odd, const uint8_t* m,
             int n);
void compose(double* out, const double* fill, const double* image, const double* even, const double* odd,
             const uint8_t* m, int n);

}  // namespace inpaintx::poisson
