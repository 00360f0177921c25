// Images of the blend on CUDA: the right-hand side from the boundary's data, the result, and the adjoints of both, a
// thread a pixel. The data of a plane are divided by a power of two that brings the largest near 1, so that no image
// leaves the range of float32; a plane with data that are not finite becomes NaN in its hole. Half types are read and
// written as they are.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "poisson/cuda/tile.h"

namespace inpaintx::poisson::device {
namespace {

// A pixel of the finest grid, and what its mask says of it.
template <typename T>
struct Pixel {
  int64_t i, plane;
  int height, width, y, x;
  FinestMatrix<T> matrix;

  __device__ Pixel(const Grid<T>& g, int64_t i)
      : i(i),
        plane(i / g.levels[0].pixels()),
        height(g.levels[0].height),
        width(g.levels[0].width),
        y(static_cast<int>(i - plane * g.levels[0].pixels()) / width),
        x(static_cast<int>(i - plane * g.levels[0].pixels()) % width),
        matrix(g, g.levels[0], g.mask_of(plane)) {}
  __device__ bool hole() const { return matrix.kind(y, x) != kKnown; }
  // f(q) for each neighbor q in the hole.
  template <typename F>
  __device__ void holes_around(const F& f) const {
    if (y > 0 && matrix.kind(y - 1, x) != kKnown) f(i - width);
    if (x > 0 && matrix.kind(y, x - 1) != kKnown) f(i - 1);
    if (x + 1 < width && matrix.kind(y, x + 1) != kKnown) f(i + 1);
    if (y + 1 < height && matrix.kind(y + 1, x) != kKnown) f(i + width);
  }
  // Whether the pixel is known and next to the hole.
  __device__ bool boundary() const {
    bool some = false;
    if (!hole()) holes_around([&](int64_t) { some = true; });
    return some;
  }
};

template <typename T>
__device__ double largest(const Grid<T>& g, int64_t plane) {
  return __longlong_as_double(static_cast<long long>(g.largest[plane]));
}
// What a plane's data were divided by; NaN where they are spoilt.
template <typename T>
__device__ T scale(const Grid<T>& g, int64_t plane) {
  const double most = largest(g, plane);
  if (!(most < INFINITY)) return static_cast<T>(NAN);
  return most == 0 ? T(1) : static_cast<T>(ldexp(1.0, ilogb(most)));
}
template <typename T>
__device__ T scaled(const Grid<T>& g, int64_t plane, T value) {
  const double most = largest(g, plane);
  if (!(most < INFINITY)) return T(0);
  return most == 0 ? value : static_cast<T>(ldexp(static_cast<double>(value), -ilogb(most)));
}

// v of a hole pixel.
template <typename T>
__device__ T result(const Grid<T>& g, int64_t plane, int64_t i) {
  const Progress& p = g.progress[plane];
  return scale(g, plane) * advanced(g, p, p.steps, i);
}

// The largest datum of each plane; most are below what is there already, and need no atomic. Bits of doubles that are
// not negative are ordered as these are, NaN above all.
template <typename T, typename Datum>
__device__ void raise(const Grid<T>& g, int64_t plane, const Datum& datum) {
  const auto bits = static_cast<unsigned long long>(__double_as_longlong(fabs(static_cast<double>(datum))));
  if (bits > g.largest[plane]) atomicMax(&g.largest[plane], bits);
}

template <typename T, typename scalar_t>
__global__ void boundary_range_kernel(Grid<T> g, const scalar_t* fill, const scalar_t* image) {
  INPAINTX_GRID_LOOP(i, g.planes * g.levels[0].pixels()) {
    const Pixel<T> p(g, i);
    if (p.boundary()) raise(g, p.plane, static_cast<T>(image[i]) - static_cast<T>(fill[i]));
  }
}

template <typename T, typename scalar_t>
__global__ void gather_kernel(Grid<T> g, const scalar_t* fill, const scalar_t* image) {
  INPAINTX_GRID_LOOP(i, g.planes * g.levels[0].pixels()) {
    const Pixel<T> p(g, i);
    if (!p.boundary()) continue;
    g.solution[0][i] = scaled(g, p.plane, static_cast<T>(image[i]) - static_cast<T>(fill[i]));
  }
}

template <typename T, typename scalar_t>
__global__ void compose_kernel(Grid<T> g, const scalar_t* fill, const scalar_t* image, scalar_t* out) {
  INPAINTX_GRID_LOOP(i, g.planes * g.levels[0].pixels()) {
    const Pixel<T> p(g, i);
    out[i] = p.hole() ? static_cast<scalar_t>(static_cast<T>(fill[i]) + result(g, p.plane, i)) : image[i];
  }
}

template <typename T, typename scalar_t>
__global__ void gradient_range_kernel(Grid<T> g, const scalar_t* grad) {
  INPAINTX_GRID_LOOP(i, g.planes * g.levels[0].pixels()) {
    const Pixel<T> p(g, i);
    if (p.hole()) raise(g, p.plane, static_cast<T>(grad[i]));
  }
}

template <typename T, typename scalar_t>
__global__ void start_adjoint_kernel(Grid<T> g, const scalar_t* grad) {
  INPAINTX_GRID_LOOP(i, g.planes * g.levels[0].pixels()) {
    const Pixel<T> p(g, i);
    if (p.hole()) g.rhs[i] = scaled(g, p.plane, static_cast<T>(grad[i]));
  }
}

template <typename T, typename scalar_t>
__global__ void scatter_kernel(Grid<T> g, const scalar_t* grad, scalar_t* grad_fill, scalar_t* grad_image) {
  INPAINTX_GRID_LOOP(i, g.planes * g.levels[0].pixels()) {
    const Pixel<T> p(g, i);
    const bool hole = p.hole();
    T boundary = 0;  // where that is NaN only the boundary is
    if (!hole) p.holes_around([&](int64_t q) { boundary += result(g, p.plane, q); });
    grad_fill[i] = hole ? grad[i] : static_cast<scalar_t>(-boundary);
    grad_image[i] = hole ? scalar_t(0) : static_cast<scalar_t>(static_cast<T>(grad[i]) + boundary);
  }
}

}  // namespace

template <typename T, typename scalar_t>
void gather_boundary(const Grid<T>& g, const scalar_t* fill, const scalar_t* image) {
  const unsigned blocks = blocks_for(g.planes * g.levels[0].pixels());
  const auto stream = cuda_stream(g.stream);
  boundary_range_kernel<<<blocks, kThreads, 0, stream>>>(g, fill, image);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  gather_kernel<<<blocks, kThreads, 0, stream>>>(g, fill, image);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename T, typename scalar_t>
void compose(const Grid<T>& g, const scalar_t* fill, const scalar_t* image, scalar_t* out) {
  compose_kernel<<<blocks_for(g.planes * g.levels[0].pixels()), kThreads, 0, cuda_stream(g.stream)>>>(g, fill, image,
                                                                                                      out);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename T, typename scalar_t>
void start_adjoint(const Grid<T>& g, const scalar_t* grad) {
  const unsigned blocks = blocks_for(g.planes * g.levels[0].pixels());
  const auto stream = cuda_stream(g.stream);
  gradient_range_kernel<<<blocks, kThreads, 0, stream>>>(g, grad);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  start_adjoint_kernel<<<blocks, kThreads, 0, stream>>>(g, grad);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename T, typename scalar_t>
void scatter_boundary(const Grid<T>& g, const scalar_t* grad, scalar_t* grad_fill, scalar_t* grad_image) {
  scatter_kernel<<<blocks_for(g.planes * g.levels[0].pixels()), kThreads, 0, cuda_stream(g.stream)>>>(
      g, grad, grad_fill, grad_image);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

#define INSTANTIATE(T, scalar_t)                                                      \
  template void gather_boundary(const Grid<T>&, const scalar_t*, const scalar_t*);    \
  template void compose(const Grid<T>&, const scalar_t*, const scalar_t*, scalar_t*); \
  template void start_adjoint(const Grid<T>&, const scalar_t*);                       \
  template void scatter_boundary(const Grid<T>&, const scalar_t*, scalar_t*, scalar_t*);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(float, c10::Half)
INSTANTIATE(float, c10::BFloat16)
#undef INSTANTIATE

}  // namespace inpaintx::poisson::device
