// The vote on CUDA: a thread a pixel. Pixels outside the hole end at once, so that warps in known regions are cheap;
// neighbors in a warp mostly read neighboring residuals, since matches of neighboring patches mostly lie side by side.
#include "common/cuda_check.h"
#include "detail_transfer/kernels.h"
#include "detail_transfer/math.h"

namespace inpaintx::detail_transfer::cuda {
namespace {

template <typename acc_t>
__global__ void vote_kernel(Vote<acc_t> a) {
  const int64_t pixels = a.height * a.width;
  INPAINTX_GRID_LOOP(i, a.batch * pixels) { vote(a, i / pixels, i / a.width % a.height, i % a.width); }
}

}  // namespace

template <typename acc_t>
void vote_all(const Vote<acc_t>& a, Stream queue) {
  const auto stream = cuda_stream(queue);
  vote_kernel<<<blocks_for(a.batch * a.height * a.width), kThreads, 0, stream>>>(a);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template void vote_all(const Vote<float>&, Stream);
template void vote_all(const Vote<double>&, Stream);

}  // namespace inpaintx::detail_transfer::cuda
