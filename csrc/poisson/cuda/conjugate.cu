// Conjugate gradients for the blend on CUDA, preconditioned by a V-cycle. Multigrid alone divides errors by ten where
// much is known and is slow for the few smooth ones that a lone known pixel leaves; these are what conjugate gradients
// find. All scalars stay on the device, which also decides when a plane is done: its later launches end at once,
// nothing waits for the device, and the launches can be captured in a graph. Sums have one order, whatever else is in
// the batch.
#include "poisson/cuda/tile.h"

namespace inpaintx::poisson::device {
namespace {

// The change of a step is the error before it, nearly; what it leaves is to the change about as the change to that of
// the step before, or as kLeast where the first ones fell faster than the later ones will. Measured over masks of every
// kind and sizes up to 250 x 250 (tests/ops/test_poisson_tolerance.py holds it): with kSafety the error was below 2 tol
// of the range of the data in all of them.
constexpr double kLeast = 0.15, kSafety = 1.5;

// p = M r + beta p and the tile's p A p and largest |p|; the solution takes up alpha p of the step before. In the first
// step M r is p already.
template <typename T>
__global__ void direction_kernel(Grid<T> g, const T* preconditioned, const T* last, T* direction, int step) {
  using Tile = Fields<T>;
  __shared__ Tile f;
  __shared__ double shared[kShared];
  const Level<T>& l = g.levels[0];
  for (int64_t tile = blockIdx.x; tile < g.planes * tiles_of<T>(l.height, l.width); tile += gridDim.x) {
    const Place<T, true> p(g, l, tile);  // alike for all threads of the block, as what follows
    const Progress& progress = g.progress[p.plane];
    if (progress.done) continue;
    const T alpha = static_cast<T>(progress.alpha), beta = static_cast<T>(progress.beta);
    each_pixel<T>(1, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const T d = p.diagonal(y, x);
      f.diagonal[i] = d;
      const int64_t at = p.start + p.pixel(y, x);
      f.v[i] = d > T(0) ? preconditioned[at] + (step > 0 ? beta * last[at] : T(0)) : T(0);
    });
    __syncthreads();
    double curvature = 0, most = 0;
    each_pixel<T>(0, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const T d = f.diagonal[i], value = f.v[i];
      if (!(d > T(0))) return;
      curvature += static_cast<double>(value) * static_cast<double>(d * value + p.coupled(f.v, y, x));
      most = max(most, fabs(static_cast<double>(value)));
      if (step == 0) return;
      const int64_t at = p.start + p.pixel(y, x);
      g.solution[at] = (step > 1 ? g.solution[at] : T(0)) + alpha * last[at];
      direction[at] = value;
    });
    leave_partial(g.partial, tile, curvature, most, shared);
  }
}

// A plane's sum of all tiles' sums and the maximum of their maxima, in a fixed order; a block a plane.
__device__ void gather_parts(const double* partial, int64_t parts, double& sum, double& most, double* shared) {
  sum = most = 0;
  for (int64_t i = threadIdx.x; i < parts; i += kThreads) {
    sum += partial[2 * i];
    most = max(most, partial[2 * i + 1]);
  }
  reduce(sum, most, shared);
}

// beta = r M r / that of the step before.
__global__ void beta_kernel(Progress* progress, const double* partial, int64_t parts) {
  __shared__ double shared[kShared];
  Progress& p = progress[blockIdx.x];
  if (p.done) return;
  double product, unused;
  gather_parts(partial + 2 * blockIdx.x * parts, parts, product, unused, shared);
  if (threadIdx.x > 0) return;
  p.beta = p.product > 0 ? product / p.product : 0;
  p.product = product;
}

// alpha = r M r / p A p, and whether that was the last step. Once r is 0 so are its products, and alpha 0 instead of
// 0 / 0.
__global__ void alpha_kernel(Progress* progress, const double* partial, int64_t parts, double tol) {
  __shared__ double shared[kShared];
  Progress& p = progress[blockIdx.x];
  if (p.done) return;
  double curvature, most;
  gather_parts(partial + 2 * blockIdx.x * parts, parts, curvature, most, shared);
  if (threadIdx.x > 0) return;
  const double before = p.correction;
  p.alpha = curvature > 0 ? p.product / curvature : 0;
  p.correction = fabs(p.alpha) * most;
  p.largest = max(p.largest, p.correction);
  const double left = p.steps > 0 && before > 0 ? max(p.correction / before, kLeast) : 1;
  ++p.steps;
  p.done = kSafety * p.correction * left <= 2 * tol * p.largest;
}

}  // namespace

template <typename T>
void solve(const Grid<T>& g, int steps, double tol) {
  const auto stream = cuda_stream(g.stream);
  const int64_t parts = g.parts();
  const auto planes = static_cast<unsigned>(g.planes);
  const double* partial = g.partial;
  for (int step = 0; step < steps; ++step) {
    T* preconditioned = step == 0 ? g.direction[0] : g.preconditioned;
    precondition(g, step, preconditioned);
    beta_kernel<<<planes, kThreads, 0, stream>>>(g.progress, partial, parts);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    direction_kernel<<<blocks_for(g.planes * parts, 1), kThreads, 0, stream>>>(
        g, static_cast<const T*>(preconditioned), static_cast<const T*>(g.direction[(step + 1) % 2]),
        g.direction[step % 2], step);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    alpha_kernel<<<planes, kThreads, 0, stream>>>(g.progress, partial, parts, tol);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template void solve(const Grid<float>&, int, double);
template void solve(const Grid<double>&, int, double);

}  // namespace inpaintx::poisson::device
