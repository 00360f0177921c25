// tv_inpaint: schema, checks, allocation. No gradient: the minimizer is not smooth in the known pixels. NaN and
// infinity at known pixels are refused, for no energy could be compared. Devices without a kernel go by the CPU and
// back.
#include <ATen/ops/empty.h>

#include "common/checks.h"
#include "ops.h"
#include "tv/kernels.h"

namespace inpaintx::ops {
namespace {

template <typename acc_t>
Tensor compute(const Tensor& image, const Tensor& hole, double tol, int64_t max_iter) {
  const Tensor x = image.to(c10::CppTypeToScalarType<acc_t>::value).contiguous();
  Tensor out = at::empty(x.sizes(), x.options());
  tv::cpu::minimize(tv::Problem<acc_t>{x.const_data_ptr<acc_t>(), hole.const_data_ptr<bool>(),
                                       out.mutable_data_ptr<acc_t>(), x.size(0), x.size(1), x.size(2), x.size(3), tol,
                                       max_iter});
  return out.to(image.scalar_type());
}

Tensor tv_inpaint_native(const Tensor& image, const Tensor& mask, double tol, int64_t max_iter) {
  check_image_mask("tv_inpaint", image, mask);
  TORCH_CHECK_VALUE(tol >= 0, "tv_inpaint: tol must not be negative, got ", tol);
  TORCH_CHECK_VALUE(max_iter >= 0, "tv_inpaint: max_iter must not be negative, got ", max_iter);
  const Tensor hole = hole_of(image, mask);
  check_finite("tv_inpaint", "image", image, hole);
  return image.scalar_type() == at::kDouble ? compute<double>(image, hole, tol, max_iter)
                                            : compute<float>(image, hole, tol, max_iter);
}

// On any other device: by the CPU and back.
Tensor tv_inpaint_carried(const Tensor& image, const Tensor& mask, double tol, int64_t max_iter) {
  check_image_mask("tv_inpaint", image, mask);
  return tv_inpaint_native(image.cpu(), mask.cpu(), tol, max_iter).to(image.device());
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def("tv_inpaint(Tensor image, Tensor mask, float tol=0.0001, int max_iter=10000) -> Tensor");
}
TORCH_LIBRARY_IMPL(inpaintx, CPU, m) { m.impl("tv_inpaint", tv_inpaint_native); }
TORCH_LIBRARY_IMPL(inpaintx, CompositeExplicitAutograd, m) { m.impl("tv_inpaint", tv_inpaint_carried); }
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) { m.impl("tv_inpaint", TvInpaint::call_below_autograd); }

}  // namespace
}  // namespace inpaintx::ops
