// The vote on the CPU, by rows of all images; 8 of them at least are one thread's. Which thread has a row does not
// matter: each pixel's sum is its own.
#include "common/parallel.h"
#include "detail_transfer/kernels.h"
#include "detail_transfer/math.h"

namespace inpaintx::detail_transfer::cpu {

template <typename acc_t>
void vote_all(const Vote<acc_t>& a) {
  parallel_for(0, a.batch * a.height, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t x = 0; x < a.width; ++x) vote(a, row / a.height, row % a.height, x);
    }
  });
}

template void vote_all(const Vote<float>&);
template void vote_all(const Vote<double>&);

}  // namespace inpaintx::detail_transfer::cpu
