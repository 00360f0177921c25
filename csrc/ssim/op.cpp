// ssim: schema, checks, allocation, autograd, autocast. The weight never receives a gradient: it says which pixels
// count. The first backward pass is a kernel of its own, which redoes the means instead of keeping them: they would be
// four images' worth of memory for each image. Gradients of gradients go through the same formula in ATen's ops
// (`composed`), which must be changed together with math.h: tests hold the two together. Autocast computes in float32,
// as for ATen's losses: squares of half types would lose the small differences that the measure is about.
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/autocast.h"
#include "common/autograd.h"
#include "common/dispatch.h"
#include "common/torch_cuda.h"
#include "ops.h"
#include "ssim/kernels.h"
#include "ssim/math.h"

namespace inpaintx::ops {
namespace {

using Pair = std::tuple<Tensor, Tensor>;

void check(const Tensor& x, const Tensor& y, const OptionalTensor& weight, int64_t kernel_size, double sigma,
           double data_range) {
  TORCH_CHECK_VALUE(x.dim() == 4 && x.numel() > 0, "ssim: x must have shape [B,C,H,W] and not be empty, got ",
                    x.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(x.scalar_type()), "ssim: x must be floating point, got ", x.scalar_type());
  TORCH_CHECK_VALUE(y.sizes() == x.sizes() && y.scalar_type() == x.scalar_type() && y.device() == x.device(),
                    "ssim: y must have shape, dtype and device of x, ", x.sizes(), " ", x.scalar_type(), " ",
                    x.device(), ", got ", y.sizes(), " ", y.scalar_type(), " ", y.device());
  TORCH_CHECK_VALUE(!weight || (weight->dim() == 4 && (weight->size(0) == x.size(0) || weight->size(0) == 1) &&
                                weight->size(1) == 1 && weight->size(2) == x.size(2) && weight->size(3) == x.size(3) &&
                                !weight->is_complex() && weight->device() == x.device()),
                    "ssim: weight must be real [", x.size(0), ",1,", x.size(2), ",", x.size(3), "] on ", x.device(),
                    ", got ", weight ? weight->sizes() : at::IntArrayRef{}, " ",
                    weight ? weight->scalar_type() : x.scalar_type());
  TORCH_CHECK_VALUE(kernel_size > 0 && kernel_size % 2 == 1, "ssim: kernel_size must be odd and positive, got ",
                    kernel_size);
  TORCH_CHECK_VALUE(kernel_size <= ssim::kMostWindow, "ssim: kernel_size must be at most ", ssim::kMostWindow, ", got ",
                    kernel_size);
  TORCH_CHECK_VALUE(x.size(2) >= kernel_size && x.size(3) >= kernel_size,
                    "ssim: x must be at least as large as the window, ", kernel_size, " pixels, got ", x.sizes());
  TORCH_CHECK_VALUE(sigma > 0 && data_range > 0, "ssim: sigma and data_range must be positive, got ", sigma, " and ",
                    data_range);
}

// Taps of a window, which sum to 1.
std::vector<double> gaussian(int64_t kernel_size, double sigma) {
  std::vector<double> g(kernel_size);
  double sum = 0;
  for (int64_t k = 0; k < kernel_size; ++k) {
    const auto at = static_cast<double>(k - kernel_size / 2);
    sum += g[k] = std::exp(-at * at / (2 * sigma * sigma));
  }
  for (double& tap : g) tap /= sum;
  return g;
}

// The inputs as the kernels want them, and the memory that they stand in.
template <typename acc_t, typename scalar_t>
struct Prepared {
  Tensor x, y, weight;
  ssim::Images<acc_t, scalar_t> images;

  Prepared(const Tensor& x_, const Tensor& y_, const OptionalTensor& weight_, int64_t kernel_size, double sigma,
           double data_range) {
    const auto dtype = c10::CppTypeToScalarType<scalar_t>::value;
    x = x_.to(dtype).contiguous();
    y = y_.to(dtype).contiguous();
    if (weight_) weight = weight_->to(c10::CppTypeToScalarType<acc_t>::value).contiguous();
    images = {x.const_data_ptr<scalar_t>(),
              y.const_data_ptr<scalar_t>(),
              weight_ ? weight.const_data_ptr<acc_t>() : nullptr,
              x.size(0),
              x.size(1),
              x.size(2),
              x.size(3),
              weight_ ? weight.size(0) : 0,
              kernel_size,
              static_cast<acc_t>(std::min(1 / data_range, static_cast<double>(std::numeric_limits<acc_t>::max()))),
              {}};
    const auto g = gaussian(kernel_size, sigma);
    for (int64_t k = 0; k <= kernel_size / 2; ++k) images.half_gaussian[k] = static_cast<acc_t>(g[k]);
  }
};

template <typename acc_t, typename scalar_t>
void run(const ssim::Forward<acc_t, scalar_t>& args, const Tensor& value) {
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(value)) {
    const Tensor sums = at::empty({args.images.batch, 2, ssim::cuda::parts_of(args.images)}, value.options());
    return ssim::cuda::mean_similarity(args, sums.mutable_data_ptr<acc_t>(), current_stream(value));
  }
#endif
  if constexpr (std::is_same_v<acc_t, scalar_t>) ssim::cpu::mean_similarity(args);
}

template <typename acc_t, typename scalar_t>
void run(const ssim::Backward<acc_t, scalar_t>& args, const Tensor& scale) {
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(scale)) {
    const auto& a = args.images;
    const Tensor slopes =
        at::empty({args.grad_y ? 4 : 3, a.batch, a.channels, a.out_height(), a.out_width()}, scale.options());
    return ssim::cuda::mean_similarity_backward(args, slopes.mutable_data_ptr<acc_t>(), current_stream(scale));
  }
#endif
  if constexpr (std::is_same_v<acc_t, scalar_t>) ssim::cpu::mean_similarity_backward(args);
}

Pair ssim_native(const Tensor& x, const Tensor& y, const OptionalTensor& weight, int64_t kernel_size, double sigma,
                 double data_range) {
  check(x, y, weight, kernel_size, sigma, data_range);
  const c10::DeviceGuard guard(x.device());
  const Tensor value = at::empty({x.size(0)}, x.options().dtype(accumulation_type(x))), total = at::empty_like(value);
  dispatch_native(x, [&](auto scalar, auto acc) {
    using acc_t = decltype(acc);
    const Prepared<acc_t, decltype(scalar)> p(x, y, weight, kernel_size, sigma, data_range);
    run(ssim::Forward<acc_t, decltype(scalar)>{p.images, value.mutable_data_ptr<acc_t>(),
                                               total.mutable_data_ptr<acc_t>()},
        value);
  });
  return {value, total};
}

// scale as in kernels.h. Without `both` the second result is undefined, and its half of the work is left out.
Pair gradients(const Tensor& scale, const Tensor& x, const Tensor& y, const OptionalTensor& weight, int64_t kernel_size,
               double sigma, double data_range, bool both) {
  Tensor grad_x, grad_y;
  dispatch_native(x, [&](auto scalar, auto acc) {
    using scalar_t = decltype(scalar);
    using acc_t = decltype(acc);
    const Prepared<acc_t, scalar_t> p(x, y, weight, kernel_size, sigma, data_range);
    grad_x = at::empty_like(p.x);
    if (both) grad_y = at::empty_like(p.y);
    run(ssim::Backward<acc_t, scalar_t>{p.images, scale.const_data_ptr<acc_t>(), grad_x.mutable_data_ptr<scalar_t>(),
                                        both ? grad_y.mutable_data_ptr<scalar_t>() : nullptr},
        scale);
  });
  return {grad_x.to(x.scalar_type()), both ? grad_y.to(y.scalar_type()) : Tensor()};
}

void check_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const OptionalTensor& weight,
                    const Tensor& total, int64_t kernel_size, double sigma, double data_range) {
  check(x, y, weight, kernel_size, sigma, data_range);
  for (const auto& [name, t] : {std::pair{"grad_output", &grad}, std::pair{"total", &total}}) {
    TORCH_CHECK_VALUE(t->dim() == 1 && t->size(0) == x.size(0) && t->scalar_type() == accumulation_type(x) &&
                          t->device() == x.device(),
                      "ssim_backward: ", name, " must have shape [", x.size(0), "], dtype ", accumulation_type(x),
                      " and the device of x, ", x.device(), ", got ", t->sizes(), " ", t->scalar_type(), " ",
                      t->device());
  }
}

Pair ssim_backward_native(const Tensor& grad, const Tensor& x, const Tensor& y, const OptionalTensor& weight,
                          const Tensor& total, int64_t kernel_size, double sigma, double data_range,
                          std::array<bool, 2> output_mask) {
  check_backward(grad, x, y, weight, total, kernel_size, sigma, data_range);
  const c10::DeviceGuard guard(x.device());
  const Tensor share = grad.div(total.mul(static_cast<double>(x.size(1))));
  const Tensor scale = at::where(total.gt(0), share, at::scalar_tensor(0, share.options())).contiguous();
  // the formula is the same with x and y exchanged: the first is the one that wants a gradient
  if (output_mask[0]) return gradients(scale, x, y, weight, kernel_size, sigma, data_range, output_mask[1]);
  if (!output_mask[1]) return {};
  return {Tensor(), std::get<0>(gradients(scale, y, x, weight, kernel_size, sigma, data_range, false))};
}

class SsimFunction : public torch::autograd::Function<SsimFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& y,
                                                const OptionalTensor& weight, int64_t kernel_size, double sigma,
                                                double data_range) {
    auto [value, total] = Ssim::call_below_autograd(x, y, weight, kernel_size, sigma, data_range);
    ctx->save_for_backward({x, y, weight.value_or(Tensor()), total});
    ctx->mark_non_differentiable({total});
    ctx->set_materialize_grads(false);
    ctx->saved_data["kernel_size"] = kernel_size;
    ctx->saved_data["sigma"] = sigma;
    ctx->saved_data["data_range"] = data_range;
    return {value, total};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    torch::autograd::variable_list result(6);
    if (!grads[0].defined()) return result;
    const auto saved = ctx->get_saved_variables();
    const OptionalTensor weight = saved[2].defined() ? OptionalTensor(saved[2]) : std::nullopt;
    std::tie(result[0], result[1]) =
        SsimBackward::call(grads[0], saved[0], saved[1], weight, saved[3], ctx->saved_data["kernel_size"].toInt(),
                           ctx->saved_data["sigma"].toDouble(), ctx->saved_data["data_range"].toDouble(),
                           {ctx->needs_input_grad(0), ctx->needs_input_grad(1)});
    return result;
  }
};

Pair ssim_autograd(const Tensor& x, const Tensor& y, const OptionalTensor& weight, int64_t kernel_size, double sigma,
                   double data_range) {
  if (without_gradient(x, y)) return Ssim::call_below_autograd(x, y, weight, kernel_size, sigma, data_range);
  const auto out = SsimFunction::apply(x, y, weight, kernel_size, sigma, data_range);
  return {out[0], out[1]};
}

// The similarity in ATen's ops, which differentiate themselves as often as they are asked.
Tensor composed(const Tensor& x, const Tensor& y, const OptionalTensor& weight, int64_t kernel_size, double sigma,
                double data_range) {
  const auto options = x.options().dtype(accumulation_type(x));
  const int64_t rim = kernel_size / 2;
  const Tensor w =
      weight ? weight->detach().to(options.dtype()).clamp_min(0) : at::ones({1, 1, x.size(2), x.size(3)}, options);
  const Tensor zero = at::zeros({}, options), one = at::ones({}, options);
  const Tensor taps = at::tensor(gaussian(kernel_size, sigma)).to(options);
  const auto blur = [&](const Tensor& t) {  // each plane by itself
    const Tensor rows = at::conv2d(t.reshape({-1, 1, t.size(2), t.size(3)}), taps.view({1, 1, 1, -1}));
    const Tensor both = at::conv2d(rows, taps.view({1, 1, -1, 1}));
    return both.view({t.size(0), t.size(1), both.size(2), both.size(3)});
  };
  const auto visible = [&](const Tensor& t) {
    return at::where(w.gt(0), (t.to(options.dtype()) / data_range).clamp(-ssim::kMost, ssim::kMost), zero);
  };
  const Tensor seen = blur(w), counts = seen.ge(ssim::kLeastWeight), under = at::where(counts, seen, one);
  const auto mean = [&](const Tensor& t) { return blur(w * t) / under; };
  const Tensor a = visible(x), b = visible(y), mx = mean(a), my = mean(b), cross = mx * my, far = (mx - my).square();
  const Tensor v = (mean((a - b).square()) - far).clamp_min(0),
               twice = at::clamp_min(2 * (mean(a * b) - cross), v * -0.5);
  const Tensor a1 = 2 * cross + ssim::kC1, a2 = twice + ssim::kC2, map = a1 * a2 / ((a1 + far) * (a2 + v));
  const Tensor inner = w.slice(2, rim, x.size(2) - rim).slice(3, rim, x.size(3) - rim) * counts;
  const Tensor total = inner.sum({1, 2, 3}), some = total.gt(0);
  return at::where(some, (inner * map.mean({1}, true)).sum({1, 2, 3}) / at::where(some, total, one), one);
}

// Gradients of gradients: the backward pass as the gradient of `composed`, which is recorded.
Pair ssim_backward_autograd(const Tensor& grad, const Tensor& x, const Tensor& y, const OptionalTensor& weight,
                            const Tensor& total, int64_t kernel_size, double sigma, double data_range,
                            std::array<bool, 2> output_mask) {
  if (without_gradient(grad, x, y))
    return SsimBackward::call_below_autograd(grad, x, y, weight, total, kernel_size, sigma, data_range, output_mask);
  check_backward(grad, x, y, weight, total, kernel_size, sigma, data_range);
  const auto input = [](const Tensor& t) { return t.requires_grad() ? t : t.detach().requires_grad_(); };
  const Tensor a = input(x), b = input(y);
  torch::autograd::variable_list inputs;
  if (output_mask[0]) inputs.push_back(a);
  if (output_mask[1]) inputs.push_back(b);
  if (inputs.empty()) return {};
  const auto grads = torch::autograd::grad({composed(a, b, weight, kernel_size, sigma, data_range)}, inputs, {grad},
                                           /*retain_graph=*/true, /*create_graph=*/true);
  return {output_mask[0] ? grads.front() : Tensor(), output_mask[1] ? grads.back() : Tensor()};
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "ssim(Tensor x, Tensor y, Tensor? weight=None, int kernel_size=11, float sigma=1.5, float data_range=1.0) "
      "-> (Tensor value, Tensor total)");
  m.def(
      "ssim_backward(Tensor grad_output, Tensor x, Tensor y, Tensor? weight, Tensor total, int kernel_size, "
      "float sigma, float data_range, bool[2] output_mask) -> (Tensor, Tensor)");
}
INPAINTX_CPU_AND_CUDA(m) {
  m.impl("ssim", ssim_native);
  m.impl("ssim_backward", ssim_backward_native);
}
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) {
  m.impl("ssim", ssim_autograd);
  m.impl("ssim_backward", ssim_backward_autograd);
}
INPAINTX_AUTOCAST(Ssim, CastTo::kFloat, 0, 1)

}  // namespace
}  // namespace inpaintx::ops
