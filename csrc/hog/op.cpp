// hog: schema, checks, allocation. No gradient: bins are hard, so that a histogram is constant almost everywhere in the
// directions of the gradients, and steps where it is not. Half types are computed in float32. On CUDA histograms before
// normalization and the blocks' norms need buffers beside the results, of which blocks and cells are made.
#include <ATen/ops/empty.h>

#include <type_traits>

#include "common/dispatch.h"
#include "common/torch_cuda.h"
#include "hog/kernels.h"
#include "hog/math.h"
#include "ops.h"

namespace inpaintx::ops {
namespace {

template <typename acc_t, typename scalar_t>
std::tuple<Tensor, Tensor> compute(const Tensor& x, int64_t cell, int64_t block, int64_t bins, double clip) {
  hog::Hog<acc_t, scalar_t> a{x.const_data_ptr<scalar_t>(),
                              nullptr,
                              nullptr,
                              x.size(0),
                              x.size(1),
                              x.size(2),
                              x.size(3),
                              cell,
                              block,
                              bins,
                              clip};
  Tensor cells = at::empty({a.batch, a.cells_y(), a.cells_x(), bins}, x.options());
  Tensor blocks = at::empty({a.batch, a.blocks_y(), a.blocks_x(), block, block, bins}, x.options());
  a.cells = cells.mutable_data_ptr<scalar_t>();
  a.blocks = blocks.mutable_data_ptr<scalar_t>();
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(x)) {
    const auto options = x.options().dtype(accumulation_type(x));
    const Tensor raw = at::empty(cells.sizes(), options);
    const Tensor norms = at::empty({a.batch, a.blocks_y(), a.blocks_x(), 2}, options);
    a.raw = raw.mutable_data_ptr<acc_t>();
    a.norms = norms.mutable_data_ptr<acc_t>();
    hog::cuda::histograms(a, current_stream(x));
    return {cells, blocks};
  }
#endif
  if constexpr (std::is_same_v<acc_t, scalar_t>) hog::cpu::histograms(a);
  return {cells, blocks};
}

std::tuple<Tensor, Tensor> hog_native(const Tensor& x, int64_t cell, int64_t block, int64_t bins, double clip) {
  TORCH_CHECK_VALUE(x.dim() == 4 && x.size(1) > 0, "hog: x must have shape [B,C,H,W], got ", x.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(x.scalar_type()), "hog: x must be floating point, got ", x.scalar_type());
  TORCH_CHECK_VALUE(cell > 0 && block > 0 && bins > 0 && bins <= hog::kMaxBins,
                    "hog: cell and block must be positive and bins 1 to ", hog::kMaxBins, ", got cell ", cell,
                    ", block ", block, ", bins ", bins);
  TORCH_CHECK_VALUE(x.size(2) / cell >= block && x.size(3) / cell >= block, "hog: x must hold a block of ", block,
                    " cells of ", cell, " pixels each way, got ", x.sizes());
  const c10::DeviceGuard guard(x.device());
  std::tuple<Tensor, Tensor> out;
  dispatch_native(x, [&](auto scalar, auto acc) {
    using scalar_t = decltype(scalar);
    const Tensor readable = x.to(c10::CppTypeToScalarType<scalar_t>::value).contiguous();
    out = compute<decltype(acc), scalar_t>(readable, cell, block, bins, clip);
  });
  const auto& [cells, blocks] = out;
  return {cells.to(x.scalar_type()), blocks.to(x.scalar_type())};
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def("hog(Tensor x, int cell=8, int block=2, int bins=9, float clip=0.2) -> (Tensor cells, Tensor blocks)");
}
INPAINTX_CPU_AND_CUDA(m) { m.impl("hog", hog_native); }
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) { m.impl("hog", Hog::call_below_autograd); }

}  // namespace
}  // namespace inpaintx::ops
