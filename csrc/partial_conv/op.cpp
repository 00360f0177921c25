// partial_conv2d: schema, checks, allocation, autograd, autocast. The convolution is direct.h's or ATen's.
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>

#include "common/autograd.h"
#include "common/image_mask.h"
#include "common/layout.h"
#include "common/mask_tensor.h"
#include "common/result.h"
#include "common/torch_cuda.h"
#include "ops.h"
#include "partial_conv/direct.h"
#include "partial_conv/kernels.h"
#include "partial_conv/tiles.h"
#include "partial_conv/window.h"
#include "winograd/winograd.h"

namespace inpaintx::ops {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
// y, new_mask, and what the backward pass needs: the ratio K/S
using Outputs = std::tuple<Tensor, Tensor, Tensor>;

partial_conv::Image image_of(const Tensor& x) {
  return {x.size(0), x.size(1), x.size(2) * x.size(3), !x.is_contiguous()};
}

// Runs a kernel of kernels.h on the device of `where`.
template <typename Args>
void launch(const Tensor& where, const Args& args) {
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(where)) return partial_conv::cuda::run(args, {current_stream(where)});
#endif
  partial_conv::cpu::run(args, {});
}

// kernel<scalar_t, acc_t>(): half and bfloat16 compute in float
template <typename F>
void dispatch(at::ScalarType dtype, const F& kernel) {
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, dtype, "partial_conv2d",
                                  [&] { kernel(scalar_t{}, at::opmath_type<scalar_t>{}); });
}

// Room for what does not outlive the call. What PyTorch would have to fault in comes from kept memory; lesser tensors
// lie in what was used a moment ago.
Tensor room_like(const Tensor& x) {
  return x.nbytes() < kFresh ? at::empty_like(x) : empty_result(x.sizes(), x.options(), layout_of(x));
}

// x with its hidden pixels set to 0, written to `out`, which is returned
Tensor hide(const Tensor& x, const Tensor& mask, const Tensor& out) {
  dispatch_mask(mask, [&](auto m) {
    using mask_t = decltype(m);
    dispatch(x.scalar_type(), [&](auto scalar, auto) {
      using scalar_t = decltype(scalar);
      launch(x, partial_conv::Hide<scalar_t, mask_t>{image_of(x), x.const_data_ptr<scalar_t>(), mask_data<mask_t>(mask),
                                                     mask.size(0), mask.size(1), out.mutable_data_ptr<scalar_t>()});
    });
  });
  return out;
}

// What may go by Winograd's transforms: windows of 3 x 3 with step 1, on the CPU.
bool is_3x3(const Tensor& weight, at::IntArrayRef stride, at::IntArrayRef dilation) {
  return !on_cuda(weight) && weight.size(2) == 3 && weight.size(3) == 3 && std::max(stride[0], stride[1]) == 1 &&
         std::max(dilation[0], dilation[1]) == 1;
}

// 1 where a pixel is known, else 0.
Tensor known(const Tensor& mask) { return mask.gt(0.5).logical_not_().to(at::kFloat); }

Outputs partial_conv2d_native(const Tensor& x_, const Tensor& mask_, const Tensor& weight, const OptionalTensor& bias,
                              at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                              bool scale_by_sum) {
  partial_conv::check(x_, mask_, weight, bias, stride, padding, dilation);
  const c10::DeviceGuard guard(x_.device());
  const auto layout = layout_of(x_, weight);
  const Tensor x = x_.contiguous(layout);
  const Tensor mask = readable_mask(mask_);
  const auto window = partial_conv::window_of(x, mask, weight, stride, padding, dilation, scale_by_sum);

  const bool by_winograd = is_3x3(weight, stride, dilation) && winograd::pays(x, weight, padding);
  const bool direct = !on_cuda(x) && !by_winograd && partial_conv::direct_pays(x, weight, window);
  const bool tiles = !on_cuda(x) && !by_winograd && !direct && partial_conv::tiles_pay(x, weight, window);
  const bool one = mask.size(1) == 1, hides = !direct && !tiles && !(by_winograd && one);
  const bool with_sums = hides && !one && !on_cuda(x) && x.scalar_type() == at::kFloat && x.is_contiguous();
  const Tensor hidden = hides ? room_like(x) : x;

  const auto acc = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor ratio = at::empty({window.batch, 1, window.out_height, window.out_width}, x.options().dtype(acc));
  Tensor new_mask = at::empty(ratio.sizes(), mask.options());
  dispatch(x.scalar_type(), [&](auto, auto accumulate) {
    using acc_t = decltype(accumulate);
    dispatch_mask(mask, [&](auto m) {
      using mask_t = decltype(m);
      launch(x, partial_conv::Ratio<acc_t, mask_t>{window, mask_data<mask_t>(mask), ratio.mutable_data_ptr<acc_t>(),
                                                   mutable_mask_data<mask_t>(new_mask),
                                                   with_sums ? x.const_data_ptr<float>() : nullptr,
                                                   with_sums ? hidden.mutable_data_ptr<float>() : nullptr});
    });
  });
  if (new_mask.scalar_type() != mask_.scalar_type()) new_mask = new_mask.to(mask_.scalar_type());
  if (hides && !with_sums) hide(x, mask, hidden);

  const Tensor b = bias ? bias->contiguous() : Tensor();
  const auto room = [&] {
    return fresh(at::empty({window.batch, weight.size(0), window.out_height, window.out_width}, x.options(), layout));
  };
  Tensor y;
  if (by_winograd) {
    y = room();
    winograd::forward(hidden, weight, b, padding, y, one ? known(mask) : Tensor(), ratio);
    return {y, new_mask, ratio};
  }
  if (direct || tiles) {
    y = room();
    (direct ? partial_conv::direct_forward : partial_conv::convolve_tiles)(x, mask, weight, b, ratio, window, y);
    return {y, new_mask, ratio};
  }
  y = at::conv2d(hidden, weight, {}, stride, padding, dilation);
  y = y.contiguous(layout);
  dispatch(x.scalar_type(), [&](auto scalar, auto accumulate) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(accumulate);
    launch(x, partial_conv::Renormalise<scalar_t, acc_t>{image_of(y), y.mutable_data_ptr<scalar_t>(),
                                                         ratio.const_data_ptr<acc_t>(),
                                                         bias ? b.const_data_ptr<scalar_t>() : nullptr});
  });
  return {y, new_mask, ratio};
}

// Images one by one, where they are not small: the room to work in stays in cache, or at least small. The library
// repacks the weights each time, so they must be small against an image. Depends on shapes alone, so that results do
// not depend on the number of threads.
bool one_at_a_time(const Tensor& grad, const Tensor& x, const Tensor& weight) {
  constexpr int64_t kLeast = 1 << 16;  // values
  const int64_t image = (x.numel() + grad.numel()) / x.size(0);
  return !on_cuda(x) && image >= std::max(kLeast, 4 * weight.numel());
}

// oneDNN's gradient of weights that see single pixels some way apart writes past its room where few channels lie last
// (uxlfoundation/oneDNN#6035): such images are laid out as planes.
bool last_is_unsafe(const Tensor& x, const Tensor& weight, at::IntArrayRef stride) {
  constexpr int64_t kBlock = 16;  // channels that it takes at once, at most
  return x.is_cpu() && weight.size(2) * weight.size(3) == 1 && stride[0] * stride[1] > 1 && x.size(1) < kBlock;
}

// g' = g K/S;  dW from valid * x and g';  dx = valid * convT(g');  db = sum of g where S > 0
std::tuple<Tensor, Tensor, Tensor> partial_conv2d_backward_native(const Tensor& grad_, const Tensor& x_,
                                                                  const Tensor& mask_, const Tensor& ratio_,
                                                                  const Tensor& weight_, at::IntArrayRef stride,
                                                                  at::IntArrayRef padding, at::IntArrayRef dilation,
                                                                  std::array<bool, 3> wanted) {
  partial_conv::check_backward(grad_, x_, mask_, ratio_, weight_, stride, padding, dilation);
  const c10::DeviceGuard guard(grad_.device());
  const bool planes = wanted[1] && last_is_unsafe(x_, weight_, stride);
  const Tensor weight = planes ? weight_.flatten().view(weight_.sizes()) : weight_;
  const auto layout = planes ? at::MemoryFormat::Contiguous : layout_of(x_, weight_);
  const Tensor grad = grad_.contiguous(layout), x = x_.contiguous(layout), mask = readable_mask(mask_);
  const auto room_of_x = [&] { return fresh(at::empty(x.sizes(), x.options(), layout)); };
  const Tensor ratio = ratio_.contiguous();
  const int64_t batch = x.size(0), size = batch > 1 && one_at_a_time(grad, x, weight) ? 1 : batch;
  const bool whole = size == batch;
  Tensor grad_x, grad_weight, grad_bias;
  const auto window = partial_conv::window_of(x, mask, weight, stride, padding, dilation, false);
  const bool may = is_3x3(weight, stride, dilation), by_weight = may && winograd::grad_weight_pays(grad, x, padding);
  const bool by_x = may && winograd::grad_x_pays(grad, weight, padding);
  if ((wanted[0] && by_x) || (wanted[1] && by_weight)) {
    const bool one = mask.size(1) == 1;
    const Tensor shown = one ? known(mask) : Tensor();
    if (wanted[1] && by_weight) {
      const Tensor hidden = one ? x : hide(x, mask, room_like(x));
      grad_weight = winograd::grad_weight(grad, hidden, padding, ratio, shown);
      wanted[1] = false;
    }
    if (wanted[0] && by_x) {
      grad_x = room_of_x();
      winograd::grad_x(grad, weight, padding, grad_x, ratio, shown);
      if (!one) hide(grad_x, mask, grad_x);
      wanted[0] = false;
    }
  }
  if (wanted[0] && !on_cuda(x) && partial_conv::direct_pays(x, weight, window)) {
    grad_x = room_of_x();
    partial_conv::direct_backward(grad, mask, weight, ratio, window, grad_x);
    wanted[0] = false;
  }
  const bool rest = wanted[0] || wanted[1] || wanted[2];
  const Tensor scaled = rest ? room_like(grad.narrow(0, 0, size)) : Tensor();
  const Tensor shown = wanted[1] ? room_like(x.narrow(0, 0, size)) : x.narrow(0, 0, size);
  if (wanted[0] && !whole) grad_x = room_of_x();
  for (int64_t first = 0; rest && (first < batch || whole); first += size) {
    const auto part = [&](const Tensor& t) { return t.size(0) == batch ? t.narrow(0, first, size) : t; };
    const Tensor grad_part = part(grad), mask_part = part(mask), ratio_part = part(ratio);
    const Tensor bias_part = wanted[2] ? at::empty({weight.size(0)}, ratio.options()) : Tensor();
    dispatch(grad.scalar_type(), [&](auto scalar, auto accumulate) {
      using scalar_t = decltype(scalar);
      using acc_t = decltype(accumulate);
      launch(grad, partial_conv::ScaleGrad<scalar_t, acc_t>{
                       image_of(grad_part), grad_part.const_data_ptr<scalar_t>(), ratio_part.const_data_ptr<acc_t>(),
                       scaled.mutable_data_ptr<scalar_t>(), wanted[2] ? bias_part.mutable_data_ptr<acc_t>() : nullptr});
    });
    if (wanted[1]) hide(part(x), mask_part, shown);
    Tensor x_part, weight_part;
    if (wanted[0] || wanted[1]) {
      std::tie(x_part, weight_part, std::ignore) =
          at::convolution_backward(scaled, shown, weight, c10::nullopt, stride, padding, dilation, false, {0, 0}, 1,
                                   {wanted[0], wanted[1], false});
    }
    if (wanted[0]) {
      x_part = x_part.contiguous(layout);
      hide(x_part, mask_part, whole ? x_part : part(grad_x));
    }
    if (whole) {
      if (wanted[0]) grad_x = x_part;
      if (wanted[1]) grad_weight = weight_part;
      grad_bias = bias_part;
      break;
    }
    const auto add = [&](Tensor& sum, const Tensor& term) {
      first == 0 ? void(sum = term.to(ratio.scalar_type())) : void(sum.add_(term));
    };
    if (wanted[1]) add(grad_weight, weight_part);
    if (wanted[2]) add(grad_bias, bias_part);
  }
  if (grad_weight.defined()) grad_weight = grad_weight.to(weight.scalar_type()).contiguous(layout_of(weight_));
  if (wanted[2]) grad_bias = grad_bias.to(weight.scalar_type());
  if (planes && grad_x.defined()) grad_x = grad_x.contiguous(layout_of(x_, weight_));
  return {grad_x, grad_weight, grad_bias};
}

Outputs forward_op(const Tensor& x, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
                   at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool scale_by_sum) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("inpaintx::partial_conv2d", "")
                             .typed<decltype(partial_conv2d_native)>();
  return op.call(x, mask, weight, bias, stride, padding, dilation, scale_by_sum);
}

std::tuple<Tensor, Tensor, Tensor> backward_op(const Tensor& grad, const Tensor& x, const Tensor& mask,
                                               const Tensor& ratio, const Tensor& weight, at::IntArrayRef stride,
                                               at::IntArrayRef padding, at::IntArrayRef dilation,
                                               std::array<bool, 3> wanted) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("inpaintx::partial_conv2d_backward", "")
                             .typed<decltype(partial_conv2d_backward_native)>();
  return op.call(grad, x, mask, ratio, weight, stride, padding, dilation, wanted);
}

class PartialConv2dFunction : public torch::autograd::Function<PartialConv2dFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& x,
                                                const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
                                                at::IntArrayRef stride, at::IntArrayRef padding,
                                                at::IntArrayRef dilation, bool scale_by_sum) {
    at::AutoDispatchBelowADInplaceOrView below;
    auto [y, new_mask, ratio] = forward_op(x, mask, weight, bias, stride, padding, dilation, scale_by_sum);
    ctx->save_for_backward({x, mask, ratio, weight});
    ctx->mark_non_differentiable({new_mask, ratio});
    ctx->set_materialize_grads(false);
    ctx->saved_data["window"] =
        std::vector<int64_t>{stride[0], stride[1], padding[0], padding[1], dilation[0], dilation[1]};
    ctx->saved_data["bias"] = bias.has_value();
    return {y, new_mask, ratio};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    torch::autograd::variable_list result(8);
    if (!grads[0].defined()) return result;
    const auto saved = ctx->get_saved_variables();
    const auto window = ctx->saved_data["window"].toIntVector();
    const at::IntArrayRef w = window;
    const std::array<bool, 3> wanted{ctx->needs_input_grad(0), ctx->needs_input_grad(2),
                                     ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(3)};
    std::tie(result[0], result[2], result[3]) = backward_op(grads[0], saved[0], saved[1], saved[2], saved[3],
                                                            w.slice(0, 2), w.slice(2, 2), w.slice(4, 2), wanted);
    return result;
  }
};

Outputs partial_conv2d_autograd(const Tensor& x, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
                                at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                                bool scale_by_sum) {
  if (without_gradient(x, weight, bias)) {
    at::AutoDispatchBelowADInplaceOrView below;
    return forward_op(x, mask, weight, bias, stride, padding, dilation, scale_by_sum);
  }
  const auto out = PartialConv2dFunction::apply(x, mask, weight, bias, stride, padding, dilation, scale_by_sum);
  return {out[0], out[1], out[2]};
}

// Gradients of gradients: what the backward pass computes, in ATen's ops, which differentiate themselves.
std::tuple<Tensor, Tensor, Tensor> partial_conv2d_backward_autograd(const Tensor& grad, const Tensor& x,
                                                                    const Tensor& mask, const Tensor& ratio,
                                                                    const Tensor& weight, at::IntArrayRef stride,
                                                                    at::IntArrayRef padding, at::IntArrayRef dilation,
                                                                    std::array<bool, 3> wanted) {
  if (without_gradient(grad, x, weight)) {
    at::AutoDispatchBelowADInplaceOrView below;
    return backward_op(grad, x, mask, ratio, weight, stride, padding, dilation, wanted);
  }
  partial_conv::check_backward(grad, x, mask, ratio, weight, stride, padding, dilation);
  const Tensor hole = binary(mask), seen = ratio.gt(0), zero = at::zeros({}, grad.options());
  const Tensor shown = at::where(seen, grad, zero), scaled = (shown * ratio).to(grad.scalar_type());
  auto [grad_x, grad_weight, grad_bias] =
      at::convolution_backward(scaled, at::where(hole, zero, x), weight, c10::nullopt, stride, padding, dilation, false,
                               {0, 0}, 1, {wanted[0], wanted[1], false});
  if (wanted[0]) grad_x = at::where(hole, zero, grad_x);
  if (wanted[2]) grad_bias = shown.sum({0, 2, 3});
  return {grad_x, grad_weight, grad_bias};
}

template <c10::DeviceType device>
Outputs partial_conv2d_autocast(const Tensor& x, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
                                at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                                bool scale_by_sum) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(
      at::autocast::get_autocast_dispatch_key_from_device_type(device));
  const auto lower = at::autocast::get_lower_precision_fp_from_device_type(device);
  return forward_op(at::autocast::cached_cast(lower, x, device), mask, at::autocast::cached_cast(lower, weight, device),
                    at::autocast::cached_cast(lower, bias, device), stride, padding, dilation, scale_by_sum);
}

}  // namespace

std::tuple<Tensor, Tensor> partial_conv2d(const Tensor& x, const Tensor& mask, const Tensor& weight,
                                          const OptionalTensor& bias, at::IntArrayRef stride, at::IntArrayRef padding,
                                          at::IntArrayRef dilation, bool scale_by_sum) {
  auto [y, new_mask, ratio] = forward_op(x, mask, weight, bias, stride, padding, dilation, scale_by_sum);
  return {y, new_mask};
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "partial_conv2d(Tensor x, Tensor mask, Tensor weight, Tensor? bias, int[2] stride, int[2] padding, "
      "int[2] dilation, bool scale_by_sum) -> (Tensor y, Tensor new_mask, Tensor ratio)");
  m.def(
      "partial_conv2d_backward(Tensor grad, Tensor x, Tensor mask, Tensor ratio, Tensor weight, int[2] stride, "
      "int[2] padding, int[2] dilation, bool[3] wanted) -> (Tensor, Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(inpaintx, CPU, m) {
  m.impl("partial_conv2d", partial_conv2d_native);
  m.impl("partial_conv2d_backward", partial_conv2d_backward_native);
}
#ifdef INPAINTX_WITH_CUDA
TORCH_LIBRARY_IMPL(inpaintx, CUDA, m) {
  m.impl("partial_conv2d", partial_conv2d_native);
  m.impl("partial_conv2d_backward", partial_conv2d_backward_native);
}
#endif
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("partial_conv2d", partial_conv2d_autograd);
  m.impl("partial_conv2d_backward", partial_conv2d_backward_autograd);
}
TORCH_LIBRARY_IMPL(inpaintx, AutocastCPU, m) {
  m.impl("partial_conv2d", partial_conv2d_autocast<c10::DeviceType::CPU>);
}
TORCH_LIBRARY_IMPL(inpaintx, AutocastCUDA, m) {
  m.impl("partial_conv2d", partial_conv2d_autocast<c10::DeviceType::CUDA>);
}

}  // namespace inpaintx::ops
