// Conjugate gradients for the blend on CUDA, preconditioned by a V-cycle. Multigrid alone divides errors by ten where
// much is known and is slow for the few smooth ones that a lone known pixel leaves; these are what conjugate gradients
// find. All scalars stay on the device, which also decides when a plane is done: its later launches end at once,
// nothing waits for the device, and the launches can be captured in a graph. Sums have one order, whatever else is in
// the batch.
//
// A step is two passes over the finest grid, those of the cycle (multigrid.cu). All its sums are taken of M r alone
// (Chronopoulos and Gear, "s-step iterative methods for symmetric linear systems", 1989), the step itself as the next
// cycle begins, and residual and direction are not kept: r = b - A v, and alpha p = alpha M r + momentum (v - the
// solution before).
#include "poisson/cuda/tile.h"

namespace inpaintx::poisson::device {
namespace {

// The change of a step is the error before it, nearly; what it leaves is to the change about as the change to that of
// the step before, or as kLeast where the first ones fell faster than the later ones will. Measured over masks of every
// kind and sizes up to 250 x 250 (tests/ops/test_poisson_tolerance.py holds it): with kSafety the error was below 2 tol
// of the range of the data in all of them.
constexpr double kLeast = 0.15, kSafety = 1.5;

// alpha, momentum and whether that was the last step, from the tiles' sums in a fixed order; a block a plane.
__global__ void step_kernel(Progress* progress, const Sums* partial, int64_t parts, double tol) {
  __shared__ Sums shared[kThreads];
  Progress& p = progress[blockIdx.x];
  if (p.done) return;
  Sums sums{};
  for (int64_t i = threadIdx.x; i < parts; i += kThreads) sums.add(partial[blockIdx.x * parts + i]);
  sums = reduce(sums, shared);
  if (threadIdx.x > 0) return;
  // Once r is 0 so are its products; alpha is 0 then instead of 0 / 0. Rounding may leave a direction of no curvature,
  // and M r is the direction then.
  const double before = p.correction, beta = p.alpha > 0 ? sums.product / p.product : 0;
  double curvature = sums.curvature - (p.alpha > 0 ? beta * sums.product / p.alpha : 0);
  const bool conjugate = p.alpha > 0 && curvature > 0;
  if (!conjugate) curvature = sums.curvature;
  const double alpha = curvature > 0 ? sums.product / curvature : 0;
  p.momentum = conjugate ? alpha * beta / p.alpha : 0;
  p.correction = alpha * sums.most + p.momentum * before;
  p.largest = max(p.largest, p.correction);
  p.product = sums.product;
  p.alpha = alpha;
  if (p.steps == 0) p.first = alpha;
  const double left = p.steps > 0 && before > 0 ? max(p.correction / before, kLeast) : 1;
  ++p.steps;
  p.done = kSafety * p.correction * left <= 2 * tol * p.largest;
}

}  // namespace

template <typename T>
void solve(const Grid<T>& g, int steps, double tol) {
  for (int step = 0; step < steps; ++step) {
    precondition(g, step);
    step_kernel<<<static_cast<unsigned>(g.planes), kThreads, 0, cuda_stream(g.stream)>>>(
        g.progress, static_cast<const Sums*>(g.partial), g.parts(), tol);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template void solve(const Grid<float>&, int, double);
template void solve(const Grid<double>&, int, double);

}  // namespace inpaintx::poisson::device
