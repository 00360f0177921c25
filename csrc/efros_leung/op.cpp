// efros_leung: schema, checks, allocation. No gradient: pixels are copied by a random choice. NaN and infinity at known
// pixels are refused, for no window could be compared with theirs. Half types are computed in float32; since values are
// copied, known and filled ones come back exactly. Devices without a kernel go by the CPU and back.
#include <ATen/ops/empty.h>

#include "common/checks.h"
#include "efros_leung/kernels.h"
#include "ops.h"

namespace inpaintx::ops {
namespace {

template <typename acc_t>
Tensor compute(const Tensor& image, const Tensor& hole, int64_t kernel_size, int64_t seed, int64_t reach) {
  const Tensor x = image.to(c10::CppTypeToScalarType<acc_t>::value).contiguous();
  Tensor out = at::empty(x.sizes(), x.options());
  efros_leung::cpu::synthesize(efros_leung::Synthesis<acc_t>{x.const_data_ptr<acc_t>(), hole.const_data_ptr<bool>(),
                                                             out.mutable_data_ptr<acc_t>(), x.size(0), x.size(1),
                                                             x.size(2), x.size(3), kernel_size, seed, reach});
  return out.to(image.scalar_type());
}

Tensor efros_leung_native(const Tensor& image, const Tensor& mask, int64_t kernel_size, int64_t seed, int64_t reach) {
  check_image_mask("efros_leung", image, mask);
  TORCH_CHECK_VALUE(kernel_size > 0 && kernel_size % 2 == 1, "efros_leung: kernel_size must be odd and positive, got ",
                    kernel_size);
  TORCH_CHECK_VALUE(reach >= 0, "efros_leung: reach must be 0 or more, got ", reach);
  const Tensor hole = hole_of(image, mask);
  check_finite("efros_leung", "image", image, hole);
  return image.scalar_type() == at::kDouble ? compute<double>(image, hole, kernel_size, seed, reach)
                                            : compute<float>(image, hole, kernel_size, seed, reach);
}

// On any other device: by the CPU and back.
Tensor efros_leung_carried(const Tensor& image, const Tensor& mask, int64_t kernel_size, int64_t seed, int64_t reach) {
  check_image_mask("efros_leung", image, mask);
  return efros_leung_native(image.cpu(), mask.cpu(), kernel_size, seed, reach).to(image.device());
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def("efros_leung(Tensor image, Tensor mask, int kernel_size=11, int seed=0, int reach=0) -> Tensor");
}
TORCH_LIBRARY_IMPL(inpaintx, CPU, m) { m.impl("efros_leung", efros_leung_native); }
TORCH_LIBRARY_IMPL(inpaintx, CompositeExplicitAutograd, m) { m.impl("efros_leung", efros_leung_carried); }
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) { m.impl("efros_leung", EfrosLeung::call_below_autograd); }

}  // namespace
}  // namespace inpaintx::ops
