// A pixel's equation on a grid of the blend on CUDA. On the finest grid coefficients follow from the mask, as on the
// CPU; on the others they are read. Device functions for the kernels of multigrid.cu and conjugate.cu.
#pragma once

#include "common/cuda_check.h"
#include "poisson/cuda/device.h"

namespace inpaintx::poisson::device {

struct Point {
  int64_t mask, plane, y, x;
};

template <typename T>
__device__ Point point_of(const Grid<T>& g, const Level<T>& l, int64_t i) {
  const int64_t plane = i / (l.height * l.width);
  return {g.masks == 1 ? 0 : plane / g.channels, plane, i / l.width % l.height, i % l.width};
}

template <typename T>
__device__ bool inside(const Level<T>& l, int64_t y, int64_t x) {
  return y >= 0 && x >= 0 && y < l.height && x < l.width;
}

template <typename T>
__device__ bool hole_at(const Level<T>& l, int64_t mask, int64_t y, int64_t x) {
  return l.hole[(mask * l.height + y) * l.width + x];
}

// Coefficient of the neighbor (dy, dx) in the equation of (y, x), which lies inside; 0 where either is known.
template <typename T>
__device__ T coefficient(const Level<T>& l, int64_t mask, int64_t y, int64_t x, int dy, int dx) {
  if (l.stencil) return l.stencil[((mask * 9 + (dy + 1) * 3 + dx + 1) * l.height + y) * l.width + x];
  if (!hole_at(l, mask, y, x)) return T(0);
  if (dy == 0 && dx == 0) {  // as many neighbors as lie inside the photo
    return T((y > 0) + (x > 0) + (y + 1 < l.height) + (x + 1 < l.width));
  }
  const bool edge = (dy == 0) != (dx == 0);
  return edge && inside(l, y + dy, x + dx) && hole_at(l, mask, y + dy, x + dx) ? T(-1) : T(0);
}

// Sum over the neighbors of coefficient * value(y, x).
template <typename T, typename Value>
__device__ T coupled(const Level<T>& l, const Point& p, const Value& value) {
  T sum = 0;
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      if ((dy == 0 && dx == 0) || !inside(l, p.y + dy, p.x + dx)) continue;
      const T c = coefficient(l, p.mask, p.y, p.x, dy, dx);
      if (c != T(0)) sum += c * value(p.y + dy, p.x + dx);
    }
  }
  return sum;
}

}  // namespace inpaintx::poisson::device
