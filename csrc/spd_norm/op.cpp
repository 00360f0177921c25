// spd_norm: schema, checks, allocation, autograd, autocast. The mean and 1 / sqrt(variance + eps) of each pixel are
// results of the op, for the backward pass: one value a pixel each, where the normalized image would be as large as x.
// Inputs that are halves of a wider tensor's channels, as a convolution that gives gamma and beta makes them, are read
// where they lie.
#include <ATen/ops/empty.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/var_mean.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "common/autocast.h"
#include "common/autograd.h"
#include "common/dispatch.h"
#include "common/layout.h"
#include "common/torch_cuda.h"
#include "ops.h"
#include "spd_norm/kernels.h"

namespace inpaintx::ops {
namespace {

// y, and what the backward pass needs: mean and 1 / sqrt(variance + eps) of each pixel
using Outputs = std::tuple<Tensor, Tensor, Tensor>;
using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor>;

void check_like_x(const char* op, const char* name, const Tensor& t, const Tensor& x) {
  TORCH_CHECK_VALUE(t.sizes() == x.sizes() && t.scalar_type() == x.scalar_type() && t.device() == x.device(), op, ": ",
                    name, " must have shape, dtype and device of x, ", x.sizes(), " ", x.scalar_type(), " ", x.device(),
                    ", got ", t.sizes(), " ", t.scalar_type(), " ", t.device());
}

// One value a pixel.
void check_plane(const char* op, const char* name, const Tensor& t, const Tensor& x) {
  TORCH_CHECK_VALUE(
      t.dim() == 4 && t.size(0) == x.size(0) && t.size(1) == 1 && t.size(2) == x.size(2) && t.size(3) == x.size(3), op,
      ": ", name, " must have shape [", x.size(0), ",1,", x.size(2), ",", x.size(3), "], got ", t.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(t.scalar_type()) && t.device() == x.device(), op, ": ", name,
                    " must be floating point on ", x.device(), ", got ", t.scalar_type(), " on ", t.device());
}

void check(const char* op, const Tensor& x, const Tensor& gamma, const OptionalTensor& beta,
           const Tensor& probability) {
  TORCH_CHECK_VALUE(x.dim() == 4 && x.size(1) > 1, op, ": x must have shape [B,C,H,W] with C >= 2, got ", x.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(x.scalar_type()), op, ": x must be floating point, got ", x.scalar_type());
  check_like_x(op, "gamma", gamma, x);
  if (beta) check_like_x(op, "beta", *beta, x);
  check_plane(op, "probability", probability, x);
}

void check_backward(const Tensor& grad, const Tensor& x, const Tensor& gamma, const OptionalTensor& beta,
                    const Tensor& probability, const Tensor& mean, const Tensor& rstd, bool by_probability) {
  constexpr const char* op = "spd_norm_backward";
  check(op, x, gamma, beta, probability);
  check_like_x(op, "grad_output", grad, x);
  for (const auto& [name, t] : {std::pair{"mean", &mean}, std::pair{"rstd", &rstd}}) {
    check_plane(op, name, *t, x);
    TORCH_CHECK_VALUE(t->scalar_type() == accumulation_type(x), op, ": ", name, " must have dtype ",
                      accumulation_type(x), ", got ", t->scalar_type());
  }
  TORCH_CHECK_VALUE(beta || !by_probability, op, ": the gradient of probability needs beta");
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

// gamma and beta are laid out as x is, whatever their own order; the probability map is one plane, the same in both. It
// is converted to the accumulating type, since the outer rings of a hard map can underflow in half precision.
Outputs spd_norm_native(const Tensor& x_, const Tensor& gamma_, const Tensor& beta_, const Tensor& probability,
                        double eps) {
  check("spd_norm", x_, gamma_, beta_, probability);
  TORCH_CHECK_VALUE(eps > 0, "spd_norm: eps must be positive, got ", eps);
  const c10::DeviceGuard guard(x_.device());
  const bool last = layout_of(x_) == at::MemoryFormat::ChannelsLast;
  const Tensor x = laid_out(x_, last), gamma = laid_out(gamma_, last), beta = laid_out(beta_, last);
  const Tensor p = probability.to(accumulation_type(x)).contiguous(), y = like(x, last);
  const Tensor mean = at::empty(p.sizes(), p.options()), rstd = at::empty(p.sizes(), p.options());
  dispatch_floating(x, [&](auto scalar, auto accumulate) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(accumulate);
    INPAINTX_LAUNCH(x, spd_norm, normalize,
                    spd_norm::Forward<scalar_t, acc_t>{{x.size(0), x.size(1), x.size(2) * x.size(3), last},
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

Gradients spd_norm_backward_native(const Tensor& grad_output_, const Tensor& x_, const Tensor& gamma_,
                                   const OptionalTensor& beta_, const Tensor& probability, const Tensor& mean_,
                                   const Tensor& rstd_, std::array<bool, 4> output_mask) {
  check_backward(grad_output_, x_, gamma_, beta_, probability, mean_, rstd_, output_mask[3]);
  const c10::DeviceGuard guard(x_.device());
  const bool last = layout_of(x_) == at::MemoryFormat::ChannelsLast;
  const Tensor grad = laid_out(grad_output_, last), x = laid_out(x_, last), gamma = laid_out(gamma_, last);
  const Tensor beta = beta_ ? laid_out(*beta_, last) : x;
  const Tensor p = probability.to(accumulation_type(x)).contiguous(), mean = mean_.contiguous(),
               rstd = rstd_.contiguous();
  const Tensor gx = output_mask[0] ? like(x, last) : Tensor(), gg = output_mask[1] ? like(x, last) : Tensor();
  const Tensor gb = output_mask[2] ? like(x, last) : Tensor();
  const Tensor gp = output_mask[3] ? at::empty(p.sizes(), p.options()) : Tensor();
  dispatch_floating(x, [&](auto scalar, auto accumulate) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(accumulate);
    INPAINTX_LAUNCH(x, spd_norm, normalize_backward,
                    spd_norm::Backward<scalar_t, acc_t>{{x.size(0), x.size(1), x.size(2) * x.size(3), last},
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
                                                        output_mask[3] ? gp.mutable_data_ptr<acc_t>() : nullptr});
  });
  return {gx, gg, gb, output_mask[3] ? gp.to(probability.scalar_type()) : Tensor()};
}

class SpdNormFunction : public torch::autograd::Function<SpdNormFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& x,
                                                const Tensor& gamma, const Tensor& beta, const Tensor& probability,
                                                double eps) {
    auto [y, mean, rstd] = SpdNorm::call_below_autograd(x, gamma, beta, probability, eps);
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
    const std::array<bool, 4> output_mask{ctx->needs_input_grad(0), ctx->needs_input_grad(1), ctx->needs_input_grad(2),
                                          beta && ctx->needs_input_grad(3)};
    std::tie(result[0], result[1], result[2], result[3]) =
        SpdNormBackward::call(grads[0], saved[0], saved[1], beta, saved[3], saved[4], saved[5], output_mask);
    return result;
  }
};

Outputs spd_norm_autograd(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& probability,
                          double eps) {
  if (without_gradient(x, gamma, beta, probability))
    return SpdNorm::call_below_autograd(x, gamma, beta, probability, eps);
  const auto out = SpdNormFunction::apply(x, gamma, beta, probability, eps);
  return {out[0], out[1], out[2]};
}

// Gradients of gradients: the formulas of the backward pass in ATen's ops, which differentiate themselves.
Gradients spd_norm_backward_autograd(const Tensor& grad, const Tensor& x, const Tensor& gamma,
                                     const OptionalTensor& beta, const Tensor& probability, const Tensor& mean,
                                     const Tensor& rstd, std::array<bool, 4> output_mask) {
  if (without_gradient(grad, x, gamma, beta, probability))
    return SpdNormBackward::call_below_autograd(grad, x, gamma, beta, probability, mean, rstd, output_mask);
  check_backward(grad, x, gamma, beta, probability, mean, rstd, output_mask[3]);
  const auto dtype = accumulation_type(x);
  const Tensor g = grad.to(dtype), wide_x = x.to(dtype), scale = gamma.to(dtype), p = probability.to(dtype);
  // mean and rstd were saved as constants, and here they are functions of x; their eps is what rstd tells
  const auto [variance, centre] = at::var_mean(wide_x, at::OptionalIntArrayRef({1}), 1, true);
  const Tensor r = at::rsqrt(variance + (rstd.detach().pow(-2) - variance.detach()));
  const Tensor normal = (wide_x - centre) * r;
  Gradients result;
  if (output_mask[0]) {
    const Tensor gn = g * (p * scale + 1);
    const Tensor along = (gn * normal).sum({1}, true) / static_cast<double>(x.size(1) - 1);
    std::get<0>(result) = (r * (gn - gn.mean({1}, true) - normal * along)).to(x.scalar_type());
  }
  if (output_mask[1]) std::get<1>(result) = (g * normal * p).to(x.scalar_type());
  if (output_mask[2]) std::get<2>(result) = (g * p).to(x.scalar_type());
  if (output_mask[3]) {
    std::get<3>(result) = (g * (normal * scale + beta->to(dtype))).sum({1}, true).to(probability.scalar_type());
  }
  return result;
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "spd_norm(Tensor x, Tensor gamma, Tensor beta, Tensor probability, float eps=1e-05) "
      "-> (Tensor y, Tensor mean, Tensor rstd)");
  m.def(
      "spd_norm_backward(Tensor grad_output, Tensor x, Tensor gamma, Tensor? beta, Tensor probability, Tensor mean, "
      "Tensor rstd, bool[4] output_mask) -> (Tensor, Tensor, Tensor, Tensor)");
}
INPAINTX_CPU_AND_CUDA(m) {
  m.impl("spd_norm", spd_norm_native);
  m.impl("spd_norm_backward", spd_norm_backward_native);
}
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("spd_norm", spd_norm_autograd);
  m.impl("spd_norm_backward", spd_norm_backward_autograd);
}
INPAINTX_AUTOCAST(SpdNorm, CastTo::kLowerPrecision, 0, 1, 2)

}  // namespace
}  // namespace inpaintx::ops
