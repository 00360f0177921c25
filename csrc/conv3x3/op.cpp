// conv3x3: schema, checks, autograd, autocast. Where winograd.h does not pay, the convolution is ATen's, forward and
// backward each by itself: a gradient may go by Winograd's transforms where the forward pass does not. The results of
// the two differ by rounding, and which one is taken depends on shapes alone. Double backward and forward mode are
// ATen's.
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "common/allocator.h"
#include "common/autocast.h"
#include "common/autograd.h"
#include "common/layout.h"
#include "conv3x3/winograd.h"
#include "ops.h"

namespace inpaintx::ops {
namespace {

using Gradients = std::tuple<Tensor, Tensor, Tensor>;

void check(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, at::IntArrayRef padding) {
  TORCH_CHECK_VALUE(x.dim() == 4, "conv3x3: x must have shape [B,Cin,H,W], got ", x.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(x.scalar_type()), "conv3x3: x must be floating point, got ", x.scalar_type());
  TORCH_CHECK_VALUE(weight.dim() == 4 && weight.size(1) == x.size(1) && weight.size(2) == 3 && weight.size(3) == 3,
                    "conv3x3: weight must have shape [Cout,Cin,3,3] with Cin = ", x.size(1), " as x has, got ",
                    weight.sizes());
  const auto like_x = [&](const char* name, const Tensor& t) {
    TORCH_CHECK_VALUE(t.scalar_type() == x.scalar_type() && t.device() == x.device(), "conv3x3: ", name,
                      " must have dtype and device of x, ", x.scalar_type(), " ", x.device(), ", got ", t.scalar_type(),
                      " ", t.device());
  };
  like_x("weight", weight);
  if (bias) {
    like_x("bias", *bias);
    TORCH_CHECK_VALUE(bias->dim() == 1 && bias->size(0) == weight.size(0), "conv3x3: bias must have shape [",
                      weight.size(0), "], got ", bias->sizes());
  }
  constexpr int64_t kMost = int64_t(1) << 30;  // far beyond any image, and no sum of them overflows
  TORCH_CHECK_VALUE(
      padding.size() == 2 && std::min(padding[0], padding[1]) >= 0 && std::max(padding[0], padding[1]) < kMost,
      "conv3x3: padding must be two integers that are not negative and below 2^30, got ", padding);
  for (int axis : {0, 1}) {
    TORCH_CHECK_VALUE(x.size(2 + axis) + 2 * padding[axis] >= 3,
                      "conv3x3: the padded x must have 3 x 3 pixels or more, got ", x.sizes(), " with padding ",
                      padding);
  }
}

void check_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, at::IntArrayRef padding) {
  check(x, weight, {}, padding);
  const std::array<int64_t, 4> expected{x.size(0), weight.size(0), x.size(2) + 2 * padding[0] - 2,
                                        x.size(3) + 2 * padding[1] - 2};
  TORCH_CHECK_VALUE(
      grad.sizes() == at::IntArrayRef(expected) && grad.scalar_type() == x.scalar_type() && grad.device() == x.device(),
      "conv3x3_backward: grad_output must have shape ", at::IntArrayRef(expected), ", dtype and device of x, got ",
      grad.sizes(), " ", grad.scalar_type(), " ", grad.device());
}

Tensor conv3x3_native(const Tensor& x_, const Tensor& weight, const OptionalTensor& bias, at::IntArrayRef padding) {
  check(x_, weight, bias, padding);
  const auto layout = layout_of(x_, weight);
  const Tensor x = x_.contiguous(layout);
  if (!winograd::use_winograd(x, weight, padding)) return at::conv2d(x, weight, bias, 1, padding).contiguous(layout);
  const Tensor y = advise_huge_pages(
      at::empty({x.size(0), weight.size(0), x.size(2) + 2 * padding[0] - 2, x.size(3) + 2 * padding[1] - 2},
                x.options(), layout));
  winograd::forward(x, weight, bias ? bias->contiguous() : Tensor(), padding, y);
  return y;
}

// Each gradient that Winograd's transforms are quicker for is taken off output_mask; ATen computes what is left.
Gradients conv3x3_backward_native(const Tensor& grad_output_, const Tensor& x_, const Tensor& weight,
                                  at::IntArrayRef padding, std::array<bool, 3> output_mask) {
  check_backward(grad_output_, x_, weight, padding);
  const auto layout = layout_of(x_, weight);
  const Tensor grad = grad_output_.contiguous(layout), x = x_.contiguous(layout);
  Tensor grad_x, grad_weight, grad_bias;
  if (output_mask[0] && winograd::use_winograd_for_input(grad, weight, padding)) {
    grad_x = advise_huge_pages(at::empty(x.sizes(), x.options(), layout));
    winograd::grad_x(grad, weight, padding, grad_x);
    output_mask[0] = false;
  }
  if (output_mask[1] && winograd::use_winograd_for_weight(grad, x, padding)) {
    grad_weight = winograd::grad_weight(grad, x, padding);
    output_mask[1] = false;
  }
  if (output_mask[2]) {
    grad_bias = grad.sum({0, 2, 3});
    output_mask[2] = false;
  }
  if (output_mask[0] || output_mask[1]) {
    const auto [by_x, by_weight, none] =
        at::convolution_backward(grad, x, weight, at::nullopt, {1, 1}, padding, {1, 1}, false, {0, 0}, 1, output_mask);
    if (output_mask[0]) grad_x = by_x.contiguous(layout);
    if (output_mask[1]) grad_weight = by_weight.contiguous();
  }
  return {grad_x, grad_weight, grad_bias};
}

class Conv3x3Function : public torch::autograd::Function<Conv3x3Function> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const OptionalTensor& bias, at::IntArrayRef padding) {
    ctx->save_for_backward({x, weight});
    ctx->set_materialize_grads(false);
    ctx->saved_data["padding"] = padding.vec();
    ctx->saved_data["bias"] = bias.has_value();
    return Conv3x3::call_below_autograd(x, weight, bias, padding);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    torch::autograd::variable_list result(4);
    if (!grads[0].defined()) return result;
    const auto saved = ctx->get_saved_variables();
    const auto padding = ctx->saved_data["padding"].toIntVector();
    const std::array<bool, 3> output_mask{ctx->needs_input_grad(0), ctx->needs_input_grad(1),
                                          ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)};
    std::tie(result[0], result[1], result[2]) =
        Conv3x3Backward::call(grads[0], saved[0], saved[1], padding, output_mask);
    return result;
  }
};

Tensor conv3x3_autograd(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, at::IntArrayRef padding) {
  if (without_gradient(x, weight, bias)) return Conv3x3::call_below_autograd(x, weight, bias, padding);
  if (has_tangent(x) || has_tangent(weight) || has_tangent(bias)) return at::conv2d(x, weight, bias, 1, padding);
  return Conv3x3Function::apply(x, weight, bias, padding);
}

// Gradients of gradients, as penalties on a critic's take them, are ATen's.
Gradients conv3x3_backward_autograd(const Tensor& grad, const Tensor& x, const Tensor& weight, at::IntArrayRef padding,
                                    std::array<bool, 3> output_mask) {
  if (without_gradient(grad, x, weight))
    return Conv3x3Backward::call_below_autograd(grad, x, weight, padding, output_mask);
  check_backward(grad, x, weight, padding);
  return at::convolution_backward(grad, x, weight, at::IntArrayRef{weight.sym_size(0).expect_int()}, {1, 1}, padding,
                                  {1, 1}, false, {0, 0}, 1, output_mask);
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def("conv3x3(Tensor x, Tensor weight, Tensor? bias=None, int[2] padding=1) -> Tensor");
  m.def(
      "conv3x3_backward(Tensor grad_output, Tensor x, Tensor weight, int[2] padding, bool[3] output_mask) "
      "-> (Tensor, Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(inpaintx, CPU, m) {
  m.impl("conv3x3", conv3x3_native);
  m.impl("conv3x3_backward", conv3x3_backward_native);
}
// Winograd's transforms are the CPU's alone; what is left is ATen's convolution, on any device. The public function
// goes there at once; what torch.compile and torch.export have recorded comes here.
TORCH_LIBRARY_IMPL(inpaintx, CUDA, m) {
  m.impl("conv3x3", conv3x3_native);
  m.impl("conv3x3_backward", conv3x3_backward_native);
}
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("conv3x3", conv3x3_autograd);
  m.impl("conv3x3_backward", conv3x3_backward_autograd);
}
INPAINTX_AUTOCAST(Conv3x3, CastTo::kLowerPrecision, 0, 1, 2)

}  // namespace
}  // namespace inpaintx::ops
