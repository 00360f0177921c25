// partial_conv2d: schema, autograd, autocast. The computation is convolution.h's, the checks are window.cpp's. x,
// weight and bias have gradients; mask, new_mask and ratio have none. The ratio is a result of the op so that the
// backward pass need not count windows again; the public function drops it. Autocast casts x, weight and bias and
// leaves the mask alone: a soft mask rounded to half precision could change sides of 0.5.
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "common/autocast.h"
#include "common/autograd.h"
#include "common/checks.h"
#include "common/layout.h"
#include "common/mask_tensor.h"
#include "ops.h"
#include "partial_conv/convolution.h"
#include "partial_conv/fused.h"
#include "partial_conv/window.h"

namespace inpaintx::ops {
namespace {

// y, new_mask, and what the backward pass needs: the ratio K/S
using Outputs = ThreeTensors;

// oneDNN's gradient of weights that see single pixels some way apart writes past its memory where few channels lie last
// (uxlfoundation/oneDNN#6035): such images are laid out as planes.
bool channels_last_is_unsafe(const Tensor& x, const Tensor& weight, IntArrayRef stride) {
  constexpr int64_t kBlock = 16;  // channels that it takes at once, at most
  return x.is_cpu() && weight.size(2) * weight.size(3) == 1 && stride[0] * stride[1] > 1 && x.size(1) < kBlock;
}

// The same in one pass, by a kernel that is registered from Python (inpaintx/ops/partial_conv_fused.py); nothing where
// there is none, or where it leaves the work to the passes.
std::optional<Outputs> partial_conv2d_fused(const Tensor& x, const Tensor& mask, const Tensor& weight,
                                            const OptionalTensor& bias, IntArrayRef stride, IntArrayRef padding,
                                            IntArrayRef dilation, bool scale_by_sum, IntArrayRef mask_channels) {
  if (!partial_conv::fused_is_chosen) return {};
  using Fused = std::vector<Tensor>(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&, IntArrayRef,
                                    IntArrayRef, IntArrayRef, bool, IntArrayRef);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("inpaintx::partial_conv2d_fused", "").typed<Fused>();
  if (!op.hasKernelForDispatchKey(x.is_cuda() ? c10::DispatchKey::CUDA : c10::DispatchKey::CPU)) return {};
  const auto out = op.call(x, mask, weight, bias, stride, padding, dilation, scale_by_sum, mask_channels);
  if (out.empty()) return {};
  return Outputs{out.at(0), out.at(1), out.at(2)};
}

Outputs partial_conv2d_native(const Tensor& x, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
                              IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, bool scale_by_sum,
                              IntArrayRef mask_channels) {
  partial_conv::check(x, mask, weight, bias, stride, padding, dilation, mask_channels);
  const c10::DeviceGuard guard(x.device());
  if (auto fused =
          partial_conv2d_fused(x, mask, weight, bias, stride, padding, dilation, scale_by_sum, mask_channels)) {
    return *fused;
  }
  const auto layout = layout_of(x, weight);
  const Tensor planes = partial_conv::per_channel(mask, mask_channels);
  const auto window = partial_conv::window_of(x, planes, weight, stride, padding, dilation, scale_by_sum);
  auto [y, new_mask, ratio] = partial_conv::forward(
      {x.contiguous(layout), readable_mask(planes), weight, stride, padding, dilation, window, layout},
      bias ? bias->contiguous() : Tensor());
  return {y, new_mask.scalar_type() == mask.scalar_type() ? new_mask : new_mask.to(mask.scalar_type()), ratio};
}

ThreeTensors partial_conv2d_backward_native(const Tensor& grad_output, const Tensor& x, const Tensor& mask,
                                            const Tensor& ratio, const Tensor& weight, IntArrayRef stride,
                                            IntArrayRef padding, IntArrayRef dilation, std::array<bool, 3> output_mask,
                                            IntArrayRef mask_channels) {
  partial_conv::check_backward(grad_output, x, mask, ratio, weight, stride, padding, dilation, mask_channels);
  const c10::DeviceGuard guard(grad_output.device());
  // Both the layout of x and that of the weights lead oneDNN to its channels_last kernel, so that both are changed.
  const bool as_planes = output_mask[1] && channels_last_is_unsafe(x, weight, stride);
  const Tensor plain = as_planes ? weight.flatten().view(weight.sizes()) : weight;
  const auto layout = as_planes ? at::MemoryFormat::Contiguous : layout_of(x, weight);
  const Tensor planes = partial_conv::per_channel(mask, mask_channels);
  const auto window = partial_conv::window_of(x, planes, weight, stride, padding, dilation, false);
  auto [grad_x, grad_weight, grad_bias] = partial_conv::backward(
      {x.contiguous(layout), readable_mask(planes), plain, stride, padding, dilation, window, layout},
      grad_output.contiguous(layout), ratio.contiguous(), output_mask);
  if (grad_x.defined()) grad_x = grad_x.contiguous(layout_of(x, weight));
  if (grad_weight.defined()) grad_weight = grad_weight.contiguous(layout_of(weight));
  return {grad_x, grad_weight, grad_bias};
}

class PartialConv2dFunction : public torch::autograd::Function<PartialConv2dFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& x,
                                                const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
                                                IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                                                bool scale_by_sum, IntArrayRef mask_channels) {
    auto [y, new_mask, ratio] = PartialConv2d::call_below_autograd(x, mask, weight, bias, stride, padding, dilation,
                                                                   scale_by_sum, mask_channels);
    ctx->save_for_backward({x, mask, ratio, weight});
    ctx->mark_non_differentiable({new_mask, ratio});
    ctx->set_materialize_grads(false);
    ctx->saved_data["window"] =
        std::vector<int64_t>{stride[0], stride[1], padding[0], padding[1], dilation[0], dilation[1]};
    ctx->saved_data["mask_channels"] = mask_channels.vec();
    ctx->saved_data["bias"] = bias.has_value();
    return {y, new_mask, ratio};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    torch::autograd::variable_list result(9);
    if (!grads[0].defined()) return result;
    const auto saved = ctx->get_saved_variables();
    const auto window = ctx->saved_data["window"].toIntVector();
    const auto mask_channels = ctx->saved_data["mask_channels"].toIntVector();
    const IntArrayRef w = window;
    const std::array<bool, 3> output_mask{ctx->needs_input_grad(0), ctx->needs_input_grad(2),
                                          ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(3)};
    std::tie(result[0], result[2], result[3]) =
        PartialConv2dBackward::call(grads[0], saved[0], saved[1], saved[2], saved[3], w.slice(0, 2), w.slice(2, 2),
                                    w.slice(4, 2), output_mask, mask_channels);
    return result;
  }
};

Outputs partial_conv2d_autograd(const Tensor& x, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
                                IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, bool scale_by_sum,
                                IntArrayRef mask_channels) {
  if (without_gradient(x, weight, bias))
    return PartialConv2d::call_below_autograd(x, mask, weight, bias, stride, padding, dilation, scale_by_sum,
                                              mask_channels);
  const auto out =
      PartialConv2dFunction::apply(x, mask, weight, bias, stride, padding, dilation, scale_by_sum, mask_channels);
  return {out[0], out[1], out[2]};
}

// Gradients of gradients: what the backward pass computes, in ATen's ops, which differentiate themselves.
ThreeTensors partial_conv2d_backward_autograd(const Tensor& grad, const Tensor& x, const Tensor& mask,
                                              const Tensor& ratio, const Tensor& weight, IntArrayRef stride,
                                              IntArrayRef padding, IntArrayRef dilation,
                                              std::array<bool, 3> output_mask, IntArrayRef mask_channels) {
  if (without_gradient(grad, x, weight))
    return PartialConv2dBackward::call_below_autograd(grad, x, mask, ratio, weight, stride, padding, dilation,
                                                      output_mask, mask_channels);
  partial_conv::check_backward(grad, x, mask, ratio, weight, stride, padding, dilation, mask_channels);
  const Tensor hole = partial_conv::per_channel(binary(mask), mask_channels), seen = ratio.gt(0),
               zero = at::zeros({}, grad.options());
  const Tensor shown = at::where(seen, grad, zero), scaled = (shown * ratio).to(grad.scalar_type());
  auto [grad_x, grad_weight, grad_bias] =
      at::convolution_backward(scaled, at::where(hole, zero, x), weight, c10::nullopt, stride, padding, dilation, false,
                               {0, 0}, 1, {output_mask[0], output_mask[1], false});
  if (output_mask[0]) grad_x = at::where(hole, zero, grad_x);
  if (output_mask[2]) grad_bias = shown.sum({0, 2, 3});
  return {grad_x, grad_weight, grad_bias};
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "partial_conv2d(Tensor x, Tensor mask, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, "
      "int[2] dilation=1, bool scale_by_sum=False, int[] mask_channels=[]) -> (Tensor y, Tensor new_mask, Tensor "
      "ratio)");
  m.def(
      "partial_conv2d_fused(Tensor x, Tensor mask, Tensor weight, Tensor? bias, int[2] stride, int[2] padding, int[2] "
      "dilation, bool scale_by_sum, int[] mask_channels) -> Tensor[]");
  m.def(
      "partial_conv2d_backward(Tensor grad_output, Tensor x, Tensor mask, Tensor ratio, Tensor weight, int[2] stride, "
      "int[2] padding, int[2] dilation, bool[3] output_mask, int[] mask_channels=[]) -> (Tensor, Tensor, Tensor)");
}
INPAINTX_CPU_AND_CUDA(m) {
  m.impl("partial_conv2d", partial_conv2d_native);
  m.impl("partial_conv2d_backward", partial_conv2d_backward_native);
}
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("partial_conv2d", partial_conv2d_autograd);
  m.impl("partial_conv2d_backward", partial_conv2d_backward_autograd);
}
INPAINTX_AUTOCAST(PartialConv2d, CastTo::kLowerPrecision, 0, 2, 3)

}  // namespace
}  // namespace inpaintx::ops
