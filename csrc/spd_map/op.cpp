// spd_map: schema, checks, allocation. Masks never receive gradients. The radius is cut at the image's longer side: a
// larger window sees no more, and 32 bits hold every distance. The mean of the improved map still divides by the area
// of the window that was asked for.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "common/allocator.h"
#include "common/mask_tensor.h"
#include "common/torch_cuda.h"
#include "ops.h"
#include "spd_map/kernels.h"

namespace inpaintx::ops {
namespace {

Tensor spd_map_native(const Tensor& mask, int64_t n, int64_t kernel_size, bool improved, double k, bool freeze) {
  TORCH_CHECK_VALUE(mask.dim() == 4 && mask.size(1) == 1, "spd_map: mask must have shape [B,1,H,W] (1 = hole), got ",
                    mask.sizes());
  TORCH_CHECK_VALUE(!mask.is_complex(), "spd_map: mask must be real or bool, got ", mask.scalar_type());
  TORCH_CHECK_VALUE(n >= 0, "spd_map: n must not be negative, got ", n);
  TORCH_CHECK_VALUE(kernel_size > 0 && kernel_size % 2 == 1, "spd_map: kernel_size must be odd and positive, got ",
                    kernel_size);
  constexpr int64_t kMost = int64_t(1) << 30;  // far beyond any image, and no sum or product of two overflows
  TORCH_CHECK_VALUE(n < kMost && kernel_size < kMost, "spd_map: n and kernel_size must be below 2^30, got n ", n,
                    ", kernel_size ", kernel_size);
  TORCH_CHECK_VALUE(k > 0, "spd_map: k must be positive, got ", k);
  const c10::DeviceGuard guard(mask.device());
  const Tensor readable = readable_mask(mask);
  const Tensor out = empty_result(mask.sizes(), mask.options().dtype(at::kFloat));
  dispatch_mask(readable, [&](auto m) {
    using mask_t = decltype(m);
    const spd_map::Map<mask_t> map{mask_data<mask_t>(readable),
                                   out.mutable_data_ptr<float>(),
                                   mask.size(0),
                                   mask.size(2),
                                   mask.size(3),
                                   n,
                                   std::min(kernel_size / 2, std::max(mask.size(2), mask.size(3))),
                                   1.0f / static_cast<float>(kernel_size * kernel_size),
                                   k,
                                   freeze};
#ifdef INPAINTX_WITH_CUDA
    if (on_cuda(mask)) {
      const Tensor words = at::empty({map.batch, map.words(), map.width}, mask.options().dtype(at::kInt));
      const Tensor scratch = improved ? at::empty_like(out) : at::empty({map.reach() + 2}, out.options());
      auto* bits = static_cast<uint32_t*>(words.mutable_data_ptr());
      (improved ? spd_map::cuda::improved<mask_t>
                : spd_map::cuda::hard<mask_t>)(map, bits, scratch.mutable_data_ptr<float>(), current_stream(mask));
      return;
    }
#endif
    improved ? spd_map::cpu::improved(map) : spd_map::cpu::hard(map);
  });
  return out;
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "spd_map(Tensor mask, int n, int kernel_size=3, bool improved=False, float k=2.718281828459045, "
      "bool freeze=False) -> Tensor");
}
INPAINTX_CPU_AND_CUDA(m) { m.impl("spd_map", spd_map_native); }
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) { m.impl("spd_map", SpdMap::call_below_autograd); }

}  // namespace
}  // namespace inpaintx::ops
