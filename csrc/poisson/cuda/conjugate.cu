// Conjugate gradients for the blend on CUDA, preconditioned by a V-cycle. Multigrid alone divides errors by ten where
// much is known and is slow for the few smooth ones that a lone known pixel leaves; these are what conjugate gradients
// find. The number of steps is fixed beforehand and all scalars stay on the device: nothing waits for it, and the
// launches can be captured in a graph. Sums have one order, whatever else is in the batch.
#include <algorithm>
#include <cmath>
#include <limits>

#include "poisson/cuda/device_level.h"

namespace inpaintx::poisson::device {
namespace {

enum Sum { kBefore, kNow, kCurvature };  // r M r of the step before and of this one, p A p

//   planes  channels of all images, each solved by itself
//   pixels  of a plane
//   chunks  parts of a plane that are summed apart: by its size alone, so that a batch has the sums of its images
struct Shape {
  int64_t planes, pixels, chunks;
};

// A part of a plane's sum of a * b a block.
template <typename T>
__global__ void dot_kernel(Shape s, const T* a, const T* b, double* partial) {
  __shared__ double shared[kThreads];
  const int64_t length = (s.pixels + s.chunks - 1) / s.chunks;
  for (int64_t block = blockIdx.x; block < s.planes * s.chunks; block += gridDim.x) {  // alike for all its threads
    const int64_t plane = block / s.chunks, first = block % s.chunks * length;
    const int64_t end = first + length < s.pixels ? first + length : s.pixels;
    double sum = 0;
    for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
      sum += static_cast<double>(a[plane * s.pixels + i]) * static_cast<double>(b[plane * s.pixels + i]);
    }
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
      __syncthreads();
    }
    if (threadIdx.x == 0) partial[block] = shared[0];
    __syncthreads();
  }
}

// The sums of all parts; `shift`: the sum that was there becomes the one before.
__global__ void gather_parts_kernel(Shape s, const double* partial, double* sums, int which, bool shift) {
  INPAINTX_GRID_LOOP(plane, s.planes) {
    double sum = 0;
    for (int64_t i = 0; i < s.chunks; ++i) sum += partial[plane * s.chunks + i];
    if (shift) sums[kBefore * s.planes + plane] = sums[which * s.planes + plane];
    sums[which * s.planes + plane] = sum;
  }
}

// Divides each plane's b by a power of two that brings it near 1, a block a plane; what is not finite becomes zero.
template <typename T>
__global__ void scale_kernel(Shape s, T* b, T* scale, T largest) {
  __shared__ T shared[kThreads];
  T* plane = b + blockIdx.x * s.pixels;
  T most = 0;
  for (int64_t i = threadIdx.x; i < s.pixels; i += blockDim.x) {
    const T a = fabs(plane[i]);
    most = a <= largest ? (a > most ? a : most) : T(INFINITY);  // NaN is not below either
    if (most > largest) break;
  }
  shared[threadIdx.x] = most;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half && shared[threadIdx.x + half] > shared[threadIdx.x]) {
      shared[threadIdx.x] = shared[threadIdx.x + half];
    }
    __syncthreads();
  }
  most = shared[0];
  const bool spoilt = most > largest;
  const int exponent = spoilt || most == T(0) ? 0 : ilogb(most);
  for (int64_t i = threadIdx.x; i < s.pixels; i += blockDim.x) {
    plane[i] = spoilt ? T(0) : static_cast<T>(ldexp(plane[i], -exponent));
  }
  if (threadIdx.x == 0) scale[blockIdx.x] = spoilt ? T(NAN) : static_cast<T>(ldexp(T(1), exponent));
}

// p = M r + (r M r of this step / of the one before) p
template <typename T>
__global__ void direction_kernel(Shape s, const double* sums, const T* preconditioned, T* direction, bool first) {
  INPAINTX_GRID_LOOP(i, s.planes * s.pixels) {
    const int64_t plane = i / s.pixels;
    const double before = sums[kBefore * s.planes + plane], now = sums[kNow * s.planes + plane];
    const T beta = !first && before > 0 ? static_cast<T>(now / before) : T(0);
    direction[i] = preconditioned[i] + (beta != T(0) ? beta * direction[i] : T(0));
  }
}

// out = A p
template <typename T>
__global__ void apply_kernel(Grid<T> g, const T* direction, T* out) {
  const Level<T>& l = g.levels[0];
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) {
    const Point p = point_of(g, l, i);
    const T* plane = direction + p.plane * l.height * l.width;
    const T diagonal = coefficient(l, p.mask, p.y, p.x, 0, 0);
    out[i] = diagonal > T(0)
                 ? diagonal * direction[i] + coupled(l, p, [&](int64_t y, int64_t x) { return plane[y * l.width + x]; })
                 : T(0);
  }
}

template <typename T>
// solution += alpha p, r -= alpha A p, with alpha of each plane.
__global__ void advance_kernel(Shape s, const double* sums, const T* direction, const T* applied, T* solution,
                               T* residual) {
  INPAINTX_GRID_LOOP(i, s.planes * s.pixels) {
    const int64_t plane = i / s.pixels;
    const double now = sums[kNow * s.planes + plane], curvature = sums[kCurvature * s.planes + plane];
    const T alpha = curvature > 0 ? static_cast<T>(now / curvature) : T(0);
    solution[i] += alpha * direction[i];
    residual[i] -= alpha * applied[i];
  }
}

template <typename T>
void dot(const Grid<T>& g, const Shape& s, const T* a, const T* b, int which, bool shift) {
  const auto stream = cuda_stream(g.stream);
  dot_kernel<<<blocks_for(s.planes * s.chunks, 1), kThreads, 0, stream>>>(s, a, b, g.partial);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  gather_parts_kernel<<<blocks_for(s.planes), kThreads, 0, stream>>>(s, static_cast<const double*>(g.partial), g.sums,
                                                                     which, shift);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

template <typename T>
// One step, with r = b - A solution in l.b:  z = M r,  beta = r z / (r z of the step before),  p = z + beta p, alpha =
// r z / (p A p),  solution += alpha p,  r -= alpha A p. z is in l.v, A p in l.other. Once r is 0 so are its products,
// and alpha and beta become 0 instead of 0 / 0: further steps change nothing.
void solve(const Grid<T>& g, int64_t steps) {
  const Level<T>& l = g.levels[0];
  const Shape s{g.planes, l.height * l.width, std::clamp<int64_t>(l.height * l.width / 4096, 1, kMostChunks)};
  const auto stream = cuda_stream(g.stream);
  const unsigned blocks = blocks_for(s.planes * s.pixels);
  const double* sums = g.sums;
  const T *v = l.v, *direction = g.direction, *applied = l.other;
  scale_kernel<<<static_cast<unsigned>(s.planes), kThreads, 0, stream>>>(s, l.b, g.scale,
                                                                         std::numeric_limits<T>::max());
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  INPAINTX_CUDA_CHECK(cudaMemsetAsync(g.solution, 0, sizeof(T) * s.planes * s.pixels, stream));
  for (int64_t step = 0; step < steps; ++step) {
    precondition(g);
    dot(g, s, static_cast<const T*>(l.b), v, kNow, step > 0);
    direction_kernel<<<blocks, kThreads, 0, stream>>>(s, sums, v, g.direction, step == 0);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    apply_kernel<<<blocks, kThreads, 0, stream>>>(g, direction, l.other);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    dot(g, s, direction, applied, kCurvature, false);
    advance_kernel<<<blocks, kThreads, 0, stream>>>(s, sums, direction, applied, g.solution, l.b);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template void solve(const Grid<float>&, int64_t);
template void solve(const Grid<double>&, int64_t);

}  // namespace inpaintx::poisson::device
