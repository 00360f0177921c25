// spd_norm: schema, checks, allocation, autograd, autocast.
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "common/autograd.h"
#include "common/layout.h"
#include "common/torch_cuda.h"
#include "ops.h"
#include "spd_norm/kernels.h"

namespace inpaintx::ops {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
// y, and what the backward pass needs: mean and 1 / sqrt(variance + eps) of each pixel
using Outputs = std::tuple<Tensor, Tensor, Tensor>;
using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor>;

void check(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& probability, double eps) {
  TORCH_CHECK_VALUE(x.dim() == 4 && x.size(1) > 1, "spd_norm: x must have shape [B,C,H,W] with C >= 2, got ",
                    x.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(x.scalar_type()), "spd_norm: x must be floating point, got ", x.scalar_type());
  const auto like_x = [&](const char* name, const Tensor& t) {
    TORCH_CHECK_VALUE(t.sizes() == x.sizes() && t.scalar_type() == x.scalar_type() && t.device() == x.device(),
                      "spd_norm: ", name, " must have shape, dtype and device of x, ", x.sizes(), " ", x.scalar_type(),
                      " ", x.device(), ", got ", t.sizes(), " ", t.scalar_type(), " ", t.device());
  };
  like_x("gamma", gamma);
  like_x("beta", beta);
  TORCH_CHECK_VALUE(probability.dim() == 4 && probability.size(0) == x.size(0) && probability.size(1) == 1 &&
                        probability.size(2) == x.size(2) && probability.size(3) == x.size(3),
                    "spd_norm: probability must have shape [", x.size(0), ",1,", x.size(2), ",", x.size(3), "], got ",
                    probability.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(probability.scalar_type()) && probability.device() == x.device(),
                    "spd_norm: probability must be floating point on ", x.device(), ", got ", probability.scalar_type(),
                    " on ", probability.device());
  TORCH_CHECK_VALUE(eps > 0, "spd_norm: eps must be positive, got ", eps);
}

at::MemoryFormat format_of(bool last) { return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous; }

// From one pixel to the next in a layout; the stride of a dimension of length 1 says nothing.
int64_t line_of(const Tensor& t, bool last) {
  if (!last) return t.stride(1);
  return t.size(3) > 1 ? t.stride(3) : t.stride(2);
}

// As it is where its rows lie one after the other in the layout, half of a wider tensor's channels too; else copied.
Tensor laid_out(const Tensor& t, bool last) {
  const bool fits = last ? t.stride(1) == 1 && (t.size(3) == 1 || t.stride(2) == t.size(3) * t.stride(3))
                         : t.stride(3) == 1 && t.stride(2) == t.size(3);
  return fits ? t : t.contiguous(format_of(last));
}

Tensor like(const Tensor& x, bool last) { return at::empty(x.sizes(), x.options(), format_of(last)); }

template <typename scalar_t>
spd_norm::Image<const scalar_t> read(const Tensor& t, bool last) {
  return {t.const_data_ptr<scalar_t>(), t.stride(0), line_of(t, last)};
}

template <typename scalar_t>
spd_norm::Image<scalar_t> write(const Tensor& t, bool last) {
  if (!t.defined()) return {nullptr, 0, 0};
  return {t.mutable_data_ptr<scalar_t>(), t.stride(0), line_of(t, last)};
}

// Runs a kernel of kernels.h on the device of `where`.
template <typename Args>
void launch(const Tensor& where, const Args& args) {
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(where)) return spd_norm::cuda::run(args, {current_stream(where)});
#endif
  spd_norm::cpu::run(args, {});
}

// kernel<scalar_t, acc_t>(): half and bfloat16 compute in float
template <typename F>
void dispatch(at::ScalarType dtype, const F& kernel) {
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, dtype, "spd_norm",
                                  [&] { kernel(scalar_t{}, at::opmath_type<scalar_t>{}); });
}

at::ScalarType wide(const Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

Outputs spd_norm_native(const Tensor& x_, const Tensor& gamma_, const Tensor& beta_, const Tensor& probability,
                        double eps) {
  check(x_, gamma_, beta_, probability, eps);
  const c10::DeviceGuard guard(x_.device());
  const bool last = layout_of(x_) == at::MemoryFormat::ChannelsLast;
  const Tensor x = laid_out(x_, last), gamma = laid_out(gamma_, last), beta = laid_out(beta_, last);
  const Tensor p = probability.to(wide(x)).contiguous(), y = like(x, last);
  const Tensor mean = at::empty(p.sizes(), p.options()), rstd = at::empty(p.sizes(), p.options());
  dispatch(x.scalar_type(), [&](auto scalar, auto accumulate) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(accumulate);
    launch(x, spd_norm::Forward<scalar_t, acc_t>{{x.size(0), x.size(1), x.size(2) * x.size(3), last},
                                                 read<scalar_t>(x, last),
                                                 read<scalar_t>(gamma, last),
                                                 read<scalar_t>(beta, last),
                                                 p.const_data_ptr<acc_t>(),
                                                 static_cast<acc_t>(eps),
                                                 write<scalar_t>(y, last),
                                                 mean.mutable_data_ptr<acc_t>(),
                                                 rstd.mutable_data_ptr<acc_t>()});
  });
  return {y, mean, rstd};
}

Gradients spd_norm_backward_native(const Tensor& grad_, const Tensor& x_, const Tensor& gamma_,
                                   const OptionalTensor& beta_, const Tensor& probability, const Tensor& mean,
                                   const Tensor& rstd, std::array<bool, 4> wanted) {
  TORCH_CHECK_VALUE(beta_ || !wanted[3], "spd_norm_backward: the gradient of probability needs beta");
  const c10::DeviceGuard guard(x_.device());
  const bool last = layout_of(x_) == at::MemoryFormat::ChannelsLast;
  const Tensor grad = laid_out(grad_, last), x = laid_out(x_, last), gamma = laid_out(gamma_, last);
  const Tensor beta = beta_ ? laid_out(*beta_, last) : x;
  const Tensor p = probability.to(wide(x)).contiguous();
  const Tensor gx = wanted[0] ? like(x, last) : Tensor(), gg = wanted[1] ? like(x, last) : Tensor();
  const Tensor gb = wanted[2] ? like(x, last) : Tensor();
  const Tensor gp = wanted[3] ? at::empty(p.sizes(), p.options()) : Tensor();
  dispatch(x.scalar_type(), [&](auto scalar, auto accumulate) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(accumulate);
    launch(x, spd_norm::Backward<scalar_t, acc_t>{{x.size(0), x.size(1), x.size(2) * x.size(3), last},
                                                  read<scalar_t>(grad, last),
                                                  read<scalar_t>(x, last),
                                                  read<scalar_t>(gamma, last),
                                                  read<scalar_t>(beta, last),
                                                  p.const_data_ptr<acc_t>(),
                                                  mean.const_data_ptr<acc_t>(),
                                                  rstd.const_data_ptr<acc_t>(),
                                                  write<scalar_t>(gx, last),
                                                  write<scalar_t>(gg, last),
                                                  write<scalar_t>(gb, last),
                                                  wanted[3] ? gp.mutable_data_ptr<acc_t>() : nullptr});
  });
  return {gx, gg, gb, wanted[3] ? gp.to(probability.scalar_type()) : Tensor()};
}

Outputs forward_op(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& probability, double eps) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("inpaintx::spd_norm", "").typed<decltype(spd_norm_native)>();
  return op.call(x, gamma, beta, probability, eps);
}

Gradients backward_op(const Tensor& grad, const Tensor& x, const Tensor& gamma, const OptionalTensor& beta,
                      const Tensor& probability, const Tensor& mean, const Tensor& rstd, std::array<bool, 4> wanted) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("inpaintx::spd_norm_backward", "")
                             .typed<decltype(spd_norm_backward_native)>();
  return op.call(grad, x, gamma, beta, probability, mean, rstd, wanted);
}

class SpdNormFunction : public torch::autograd::Function<SpdNormFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& x,
                                                const Tensor& gamma, const Tensor& beta, const Tensor& probability,
                                                double eps) {
    at::AutoDispatchBelowADInplaceOrView below;
    auto [y, mean, rstd] = forward_op(x, gamma, beta, probability, eps);
    // beta is kept for the gradient of P alone: the hard map has none
    ctx->save_for_backward({x, gamma, probability.requires_grad() ? beta : Tensor(), probability, mean, rstd});
    ctx->mark_non_differentiable({mean, rstd});
    ctx->set_materialize_grads(false);
    return {y, mean, rstd};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    torch::autograd::variable_list result(5);
    if (!grads[0].defined()) return result;
    const auto saved = ctx->get_saved_variables();
    const OptionalTensor beta = saved[2].defined() ? OptionalTensor(saved[2]) : std::nullopt;
    const std::array<bool, 4> wanted{ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2),
                                     beta && ctx->needs_input_grad(3)};
    std::tie(result[0], result[1], result[2], result[3]) =
        backward_op(grads[0], saved[0], saved[1], beta, saved[3], saved[4], saved[5], wanted);
    return result;
  }
};

Outputs spd_norm_autograd(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& probability,
                          double eps) {
  if (without_gradient(x, gamma, beta, probability)) {
    at::AutoDispatchBelowADInplaceOrView below;
    return forward_op(x, gamma, beta, probability, eps);
  }
  const auto out = SpdNormFunction::apply(x, gamma, beta, probability, eps);
  return {out[0], out[1], out[2]};
}

template <c10::DeviceType device>
Outputs spd_norm_autocast(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& probability,
                          double eps) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(
      at::autocast::get_autocast_dispatch_key_from_device_type(device));
  const auto lower = at::autocast::get_lower_precision_fp_from_device_type(device);
  return forward_op(at::autocast::cached_cast(lower, x, device), at::autocast::cached_cast(lower, gamma, device),
                    at::autocast::cached_cast(lower, beta, device), probability, eps);
}

}  // namespace

Tensor spd_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& probability, double eps) {
  return std::get<0>(forward_op(x, gamma, beta, probability, eps));
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "spd_norm(Tensor x, Tensor gamma, Tensor beta, Tensor probability, float eps) "
      "-> (Tensor y, Tensor mean, Tensor rstd)");
  m.def(
      "spd_norm_backward(Tensor grad, Tensor x, Tensor gamma, Tensor? beta, Tensor probability, Tensor mean, "
      "Tensor rstd, bool[4] wanted) -> (Tensor, Tensor, Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(inpaintx, CPU, m) {
  m.impl("spd_norm", spd_norm_native);
  m.impl("spd_norm_backward", spd_norm_backward_native);
}
#ifdef INPAINTX_WITH_CUDA
TORCH_LIBRARY_IMPL(inpaintx, CUDA, m) {
  m.impl("spd_norm", spd_norm_native);
  m.impl("spd_norm_backward", spd_norm_backward_native);
}
#endif
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("spd_norm", spd_norm_autograd);
  m.impl("spd_norm_backward", torch::autograd::autogradNotImplementedFallback());
}
TORCH_LIBRARY_IMPL(inpaintx, AutocastCPU, m) { m.impl("spd_norm", spd_norm_autocast<c10::DeviceType::CPU>); }
TORCH_LIBRARY_IMPL(inpaintx, AutocastCUDA, m) { m.impl("spd_norm", spd_norm_autocast<c10::DeviceType::CUDA>); }

}  // namespace inpaintx::ops
