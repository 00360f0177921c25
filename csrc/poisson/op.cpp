// poisson_blend: schema, checks, autograd, autocast. The blend is linear in fill and image, so its backward pass needs
// the mask alone, and is another solve with the same matrix; see poisson/README.md.
#include <torch/csrc/autograd/custom_function.h>

#include "common/autocast.h"
#include "common/autograd.h"
#include "common/torch_cuda.h"
#include "ops.h"
#include "poisson/cpu/batch.h"
#include "poisson/cuda/device_batch.h"
#include "poisson/poisson_solver.h"

namespace inpaintx::ops {
namespace {

using MaxIter = std::optional<int64_t>;

void check_mask(const char* op, const Tensor& mask, const Tensor& image) {
  TORCH_CHECK_VALUE(mask.dim() == 4 && mask.size(1) == 1 && (mask.size(0) == image.size(0) || mask.size(0) == 1) &&
                        mask.size(2) == image.size(2) && mask.size(3) == image.size(3),
                    op, ": mask must have shape [B,1,H,W] matching image ", image.sizes(), ", got ", mask.sizes());
  TORCH_CHECK_VALUE(mask.device() == image.device(), op, ": mask must be on the device of image, ", image.device(),
                    ", got ", mask.device());
}

// Solvers of a batch's masks, each made when its image's turn comes and dropped after it; one mask for all is made
// once.
poisson::SolverOf solvers(const Tensor& mask, const Tensor& hole) {
  const int64_t h = mask.size(2), w = mask.size(3);
  if (hole.numel() == 0) return {};
  const auto* data = reinterpret_cast<const uint8_t*>(hole.const_data_ptr<bool>());
  if (mask.size(0) == 1 || mask.stride(0) == 0) {
    const auto one = std::make_shared<const poisson::Solver>(data, h, w);
    return [one](int64_t) { return one; };
  }
  return [=](int64_t b) { return std::make_shared<const poisson::Solver>(data + b * h * w, h, w); };
}

Tensor poisson_blend_native(const Tensor& fill, const Tensor& image, const Tensor& mask, double tol, MaxIter max_iter) {
  constexpr const char* op = "poisson_blend";
  poisson::check_images(op, fill, image);
  TORCH_CHECK_VALUE(!mask.is_complex(), op, ": mask must be real or bool, got ", mask.scalar_type());
  auto p = poisson::parameters(op, tol, max_iter);
  check_mask(op, mask, image);
  const c10::DeviceGuard guard(image.device());
  const Tensor hole = poisson::hole_bytes(mask);
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(image)) {
    const bool wide = fill.scalar_type() == at::kDouble || image.scalar_type() == at::kDouble;
    return poisson::DeviceBatch(hole, wide ? at::kDouble : at::kFloat).blend(fill, image, p);
  }
#endif
  p.report = false;
  poisson::SolveInfo outcome;
  return poisson::blend_batch(solvers(mask, hole), fill, image, p, outcome);
}

std::tuple<Tensor, Tensor> poisson_blend_backward_native(const Tensor& grad, const Tensor& mask, double tol,
                                                         MaxIter max_iter) {
  constexpr const char* op = "poisson_blend_backward";
  poisson::check_images(op, grad, grad);
  const auto p = poisson::parameters(op, tol, max_iter);
  check_mask(op, mask, grad);
  const c10::DeviceGuard guard(grad.device());
  const Tensor hole = poisson::hole_bytes(mask);
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(grad)) {
    return poisson::DeviceBatch(hole, grad.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).adjoint(grad, p);
  }
#endif
  return poisson::adjoint_batch(solvers(mask, hole), grad, p);
}

// The backward pass is linear, and blending is its adjoint: so gradients of gradients, of any order, are blends.
class PoissonBackwardFunction : public torch::autograd::Function<PoissonBackwardFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& grad,
                                                const Tensor& mask, double tol, MaxIter max_iter) {
    ctx->save_for_backward({mask});
    ctx->saved_data["tol"] = tol;
    ctx->saved_data["max_iter"] = max_iter;
    const auto [fill, image] = PoissonBlendBackward::call_below_autograd(grad, mask, tol, max_iter);
    return {fill, image};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const Tensor mask = ctx->get_saved_variables()[0];
    const Tensor grad = PoissonBlend::call(grads[0], grads[1], mask, ctx->saved_data["tol"].toDouble(),
                                           ctx->saved_data["max_iter"].toOptional<int64_t>());
    return {grad, Tensor(), Tensor(), Tensor()};
  }
};

std::tuple<Tensor, Tensor> poisson_blend_backward_autograd(const Tensor& grad, const Tensor& mask, double tol,
                                                           MaxIter max_iter) {
  if (without_gradient(grad)) return PoissonBlendBackward::call_below_autograd(grad, mask, tol, max_iter);
  const auto out = PoissonBackwardFunction::apply(grad, mask, tol, max_iter);
  return {out[0], out[1]};
}

// The blend's node. It keeps the mask, for the adjoint's matrix is the blend's own.
class PoissonBlendFunction : public torch::autograd::Function<PoissonBlendFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& fill, const Tensor& image,
                        const Tensor& mask, double tol, MaxIter max_iter) {
    ctx->save_for_backward({mask});
    ctx->saved_data["tol"] = tol;
    ctx->saved_data["max_iter"] = max_iter;
    return PoissonBlend::call_below_autograd(fill, image, mask, tol, max_iter);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const Tensor mask = ctx->get_saved_variables()[0];
    const auto [fill, image] = PoissonBlendBackward::call(grads[0], mask, ctx->saved_data["tol"].toDouble(),
                                                          ctx->saved_data["max_iter"].toOptional<int64_t>());
    return {fill, image, Tensor(), Tensor(), Tensor()};
  }
};

Tensor poisson_blend_autograd(const Tensor& fill, const Tensor& image, const Tensor& mask, double tol,
                              MaxIter max_iter) {
  if (without_gradient(fill, image)) return PoissonBlend::call_below_autograd(fill, image, mask, tol, max_iter);
  return PoissonBlendFunction::apply(fill, image, mask, tol, max_iter);
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def("poisson_blend(Tensor fill, Tensor image, Tensor mask, float tol=1e-6, int? max_iter=None) -> Tensor");
  m.def("poisson_blend_backward(Tensor grad_output, Tensor mask, float tol, int? max_iter) -> (Tensor, Tensor)");
}
INPAINTX_CPU_AND_CUDA(m) {
  m.impl("poisson_blend", poisson_blend_native);
  m.impl("poisson_blend_backward", poisson_blend_backward_native);
}
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("poisson_blend", poisson_blend_autograd);
  m.impl("poisson_blend_backward", poisson_blend_backward_autograd);
}
INPAINTX_AUTOCAST(PoissonBlend, CastTo::kFloat, 0, 1)

}  // namespace
}  // namespace inpaintx::ops
