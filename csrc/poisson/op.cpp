// poisson_blend: schema, checks, autograd, autocast. The blend is linear in fill and image, so its backward pass needs
// the mask alone, and is another solve with the same matrix; see poisson/README.md. On CUDA the coarse grids of the
// mask are a tensor, which the nodes keep for it.
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

#ifdef INPAINTX_WITH_CUDA
bool is_wide(const Tensor& fill, const Tensor& image) {
  return fill.scalar_type() == at::kDouble || image.scalar_type() == at::kDouble;
}

poisson::DeviceBatch device_batch(const char* op, const Tensor& mask, bool wide, const OptionalTensor& hierarchy) {
  const auto dtype = wide ? at::kDouble : at::kFloat;
  TORCH_CHECK_VALUE(!hierarchy || hierarchy->device() == mask.device(), op,
                    ": hierarchy must be on the device of mask, ", mask.device(), ", got ",
                    hierarchy ? hierarchy->device() : mask.device());
  poisson::DeviceBatch batch(hierarchy ? *hierarchy : poisson::make_hierarchy(poisson::hole_bytes(mask), dtype),
                             mask.sizes());
  TORCH_CHECK_VALUE(!wide || batch.dtype() == at::kDouble, op, ": hierarchy must be for float64, got one for float32");
  return batch;
}
#endif

Tensor poisson_hierarchy_native(const Tensor& mask, bool wide) {
  constexpr const char* op = "poisson_blend";
  TORCH_CHECK_VALUE(mask.dim() == 4 && mask.size(1) == 1, op, ": mask must have shape [B,1,H,W], got ", mask.sizes());
  TORCH_CHECK_VALUE(!mask.is_complex(), op, ": mask must be real or bool, got ", mask.scalar_type());
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(mask)) {
    const c10::DeviceGuard guard(mask.device());
    return poisson::make_hierarchy(poisson::hole_bytes(mask), wide ? at::kDouble : at::kFloat);
  }
#endif
  TORCH_CHECK_VALUE(false, op, ": mask must be on CUDA, got ", mask.device());
}

Tensor poisson_blend_native(const Tensor& fill, const Tensor& image, const Tensor& mask, double tol, MaxIter max_iter,
                            const OptionalTensor& hierarchy) {
  constexpr const char* op = "poisson_blend";
  poisson::check_images(op, fill, image);
  TORCH_CHECK_VALUE(!mask.is_complex(), op, ": mask must be real or bool, got ", mask.scalar_type());
  auto p = poisson::parameters(op, tol, max_iter);
  check_mask(op, mask, image);
  const c10::DeviceGuard guard(image.device());
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(image)) return device_batch(op, mask, is_wide(fill, image), hierarchy).blend(fill, image, p);
#endif
  p.report = false;
  poisson::SolveInfo outcome;
  return poisson::blend_batch(solvers(mask, poisson::hole_bytes(mask)), fill, image, p, outcome);
}

std::tuple<Tensor, Tensor> poisson_blend_backward_native(const Tensor& grad, const Tensor& mask, double tol,
                                                         MaxIter max_iter, const OptionalTensor& hierarchy) {
  constexpr const char* op = "poisson_blend_backward";
  poisson::check_images(op, grad, grad);
  const auto p = poisson::parameters(op, tol, max_iter);
  check_mask(op, mask, grad);
  const c10::DeviceGuard guard(grad.device());
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(grad)) return device_batch(op, mask, is_wide(grad, grad), hierarchy).adjoint(grad, p);
#endif
  return poisson::adjoint_batch(solvers(mask, poisson::hole_bytes(mask)), grad, p);
}

// What the nodes keep.
void keep(torch::autograd::AutogradContext* ctx, const Tensor& mask, const OptionalTensor& hierarchy, double tol,
          MaxIter max_iter) {
  ctx->save_for_backward({mask, hierarchy.value_or(Tensor())});
  ctx->saved_data["tol"] = tol;
  ctx->saved_data["max_iter"] = max_iter;
}

struct Kept {
  Tensor mask;
  double tol;
  MaxIter max_iter;
  OptionalTensor hierarchy;

  explicit Kept(torch::autograd::AutogradContext* ctx)
      : tol(ctx->saved_data["tol"].toDouble()), max_iter(ctx->saved_data["max_iter"].toOptional<int64_t>()) {
    const auto tensors = ctx->get_saved_variables();
    mask = tensors[0];
    if (tensors[1].defined()) hierarchy = tensors[1];
  }
};

// The backward pass is linear, and blending is its adjoint: so gradients of gradients, of any order, are blends.
class PoissonBackwardFunction : public torch::autograd::Function<PoissonBackwardFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& grad,
                                                const Tensor& mask, double tol, MaxIter max_iter,
                                                const OptionalTensor& hierarchy) {
    keep(ctx, mask, hierarchy, tol, max_iter);
    const auto [fill, image] = PoissonBlendBackward::call_below_autograd(grad, mask, tol, max_iter, hierarchy);
    return {fill, image};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const Kept k(ctx);
    return {PoissonBlend::call(grads[0], grads[1], k.mask, k.tol, k.max_iter, k.hierarchy), Tensor(), Tensor(),
            Tensor(), Tensor()};
  }
};

std::tuple<Tensor, Tensor> poisson_blend_backward_autograd(const Tensor& grad, const Tensor& mask, double tol,
                                                           MaxIter max_iter, const OptionalTensor& hierarchy) {
  if (without_gradient(grad)) {
    return PoissonBlendBackward::call_below_autograd(grad, mask, tol, max_iter, hierarchy);
  }
  const auto out = PoissonBackwardFunction::apply(grad, mask, tol, max_iter, hierarchy);
  return {out[0], out[1]};
}

// The blend's node. The adjoint's matrix is the blend's own.
class PoissonBlendFunction : public torch::autograd::Function<PoissonBlendFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& fill, const Tensor& image,
                        const Tensor& mask, double tol, MaxIter max_iter, const OptionalTensor& hierarchy) {
    keep(ctx, mask, hierarchy, tol, max_iter);
    return PoissonBlend::call_below_autograd(fill, image, mask, tol, max_iter, hierarchy);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const Kept k(ctx);
    const auto [fill, image] = PoissonBlendBackward::call(grads[0], k.mask, k.tol, k.max_iter, k.hierarchy);
    return {fill, image, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Tensor poisson_blend_autograd(const Tensor& fill, const Tensor& image, const Tensor& mask, double tol, MaxIter max_iter,
                              const OptionalTensor& hierarchy) {
  if (without_gradient(fill, image)) {
    return PoissonBlend::call_below_autograd(fill, image, mask, tol, max_iter, hierarchy);
  }
#ifdef INPAINTX_WITH_CUDA
  if (!hierarchy && on_cuda(mask)) {
    const Tensor made = PoissonHierarchy::call_below_autograd(mask, is_wide(fill, image));
    return PoissonBlendFunction::apply(fill, image, mask, tol, max_iter, made);
  }
#endif
  return PoissonBlendFunction::apply(fill, image, mask, tol, max_iter, hierarchy);
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "poisson_blend(Tensor fill, Tensor image, Tensor mask, float tol=1e-6, int? max_iter=None, "
      "Tensor? hierarchy=None) -> Tensor");
  m.def(
      "poisson_blend_backward(Tensor grad_output, Tensor mask, float tol, int? max_iter, Tensor? hierarchy=None) -> "
      "(Tensor, Tensor)");
  m.def("poisson_hierarchy(Tensor mask, bool wide) -> Tensor");
}
INPAINTX_CPU_AND_CUDA(m) {
  m.impl("poisson_blend", poisson_blend_native);
  m.impl("poisson_blend_backward", poisson_blend_backward_native);
  m.impl("poisson_hierarchy", poisson_hierarchy_native);
}
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("poisson_blend", poisson_blend_autograd);
  m.impl("poisson_blend_backward", poisson_blend_backward_autograd);
  m.impl("poisson_hierarchy", PoissonHierarchy::call_below_autograd);
}
INPAINTX_AUTOCAST(PoissonBlend, CastTo::kFloat, 0, 1)

}  // namespace
}  // namespace inpaintx::ops
