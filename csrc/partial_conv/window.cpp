// What the arguments of a partial convolution must be, in words where they are not. Everything is checked here once;
// the kernels trust it. The limit of 2^30 keeps every sum and product of two sizes within 63 bits.
#include "partial_conv/window.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/gt.h>

#include <array>
#include <vector>

namespace inpaintx::partial_conv {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

namespace {

// Whether `parts` are so many, each positive, and together `whole`.
bool divides(at::IntArrayRef parts, int64_t count, int64_t whole) {
  int64_t left = whole;
  for (const int64_t part : parts) {
    if (part <= 0 || part > left) return false;
    left -= part;
  }
  return static_cast<int64_t>(parts.size()) == count && left == 0;
}

}  // namespace

void check(const Tensor& x, const Tensor& mask, const Tensor& weight, const OptionalTensor& bias,
           at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, at::IntArrayRef mask_channels) {
  TORCH_CHECK_VALUE(x.dim() == 4, "partial_conv2d: x must have shape [B,Cin,H,W], got ", x.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(x.scalar_type()), "partial_conv2d: x must be floating point, got ",
                    x.scalar_type());
  TORCH_CHECK_VALUE(weight.dim() == 4 && weight.size(1) == x.size(1),
                    "partial_conv2d: weight must have shape [Cout,Cin,kh,kw] with Cin = ", x.size(1), " as x has, got ",
                    weight.sizes());
  TORCH_CHECK_VALUE(weight.scalar_type() == x.scalar_type(), "partial_conv2d: weight must have the dtype of x, ",
                    x.scalar_type(), ", got ", weight.scalar_type());
  const bool grouped = !mask_channels.empty();
  TORCH_CHECK_VALUE(mask.dim() == 4 && (mask.size(0) == x.size(0) || mask.size(0) == 1) &&
                        (grouped || mask.size(1) == 1 || mask.size(1) == x.size(1)) && mask.size(2) == x.size(2) &&
                        mask.size(3) == x.size(3),
                    "partial_conv2d: mask must have shape [B,1,H,W] or [B,Cin,H,W] (1 = hole) for x ", x.sizes(),
                    ", got ", mask.sizes());
  TORCH_CHECK_VALUE(!grouped || divides(mask_channels, mask.size(1), x.size(1)),
                    "partial_conv2d: mask_channels must say of how many channels of x each of the mask's ",
                    mask.size(1), " planes is, ", x.size(1), " in all, got ", mask_channels);
  TORCH_CHECK_VALUE(!mask.is_complex(), "partial_conv2d: mask must be real or bool, got ", mask.scalar_type());
  TORCH_CHECK_VALUE(mask.device() == x.device() && weight.device() == x.device(),
                    "partial_conv2d: x, mask and weight must be on one device, got ", x.device(), ", ", mask.device(),
                    " and ", weight.device());
  TORCH_CHECK_VALUE(!bias || (bias->dim() == 1 && bias->size(0) == weight.size(0) &&
                              bias->scalar_type() == x.scalar_type() && bias->device() == x.device()),
                    "partial_conv2d: bias must have shape [", weight.size(0), "], dtype and device of x, got ",
                    bias ? bias->sizes() : at::IntArrayRef{}, " ", bias ? bias->scalar_type() : x.scalar_type());
  TORCH_CHECK_VALUE(stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
                    "partial_conv2d: stride, padding and dilation take two integers each");
  for (int axis : {0, 1}) {
    TORCH_CHECK_VALUE(stride[axis] > 0 && padding[axis] >= 0 && dilation[axis] > 0,
                      "partial_conv2d: stride and dilation must be positive and padding not negative, got stride ",
                      stride, ", padding ", padding, ", dilation ", dilation);
    constexpr int64_t kMost = int64_t(1) << 30;  // far beyond any image, and no sum of them overflows
    TORCH_CHECK_VALUE(stride[axis] < kMost && padding[axis] < kMost && dilation[axis] < kMost,
                      "partial_conv2d: stride, padding and dilation must be below 2^30, got stride ", stride,
                      ", padding ", padding, ", dilation ", dilation);
    TORCH_CHECK_VALUE(weight.size(2 + axis) > 0 && weight.size(2 + axis) < kMost,
                      "partial_conv2d: weight must have windows of 1 to 2^30 pixels each way, got ", weight.sizes());
    const int64_t reach = dilation[axis] * (weight.size(2 + axis) - 1) + 1;
    TORCH_CHECK_VALUE(x.size(2 + axis) + 2 * padding[axis] >= reach, "partial_conv2d: the kernel reaches over ", reach,
                      " pixels, more than the padded x has: ", x.sizes(), " with padding ", padding);
  }
}

void check_backward(const Tensor& grad, const Tensor& x, const Tensor& mask, const Tensor& ratio, const Tensor& weight,
                    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                    at::IntArrayRef mask_channels) {
  check(x, mask, weight, {}, stride, padding, dilation, mask_channels);
  const auto w = window_of(x, mask, weight, stride, padding, dilation, false);
  const auto must_be = [&](const char* name, const Tensor& t, int64_t channels, at::ScalarType dtype) {
    const std::array<int64_t, 4> sizes{w.batch, channels, w.out_height, w.out_width};
    TORCH_CHECK_VALUE(t.sizes() == at::IntArrayRef(sizes) && t.scalar_type() == dtype && t.device() == x.device(),
                      "partial_conv2d_backward: ", name, " must have shape ", at::IntArrayRef(sizes), ", dtype ", dtype,
                      " and the device of x, ", x.device(), ", got ", t.sizes(), " ", t.scalar_type(), " ", t.device());
  };
  must_be("grad_output", grad, weight.size(0), x.scalar_type());
  must_be("ratio", ratio, 1, x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
}

Tensor per_channel(const Tensor& mask, at::IntArrayRef mask_channels) {
  if (mask_channels.size() < 2) return mask;  // one plane serves all
  const Tensor hole = mask.scalar_type() == at::kBool ? mask : mask.gt(0.5);
  std::vector<Tensor> planes;
  for (size_t i = 0; i < mask_channels.size(); ++i) {
    planes.push_back(hole.narrow(1, static_cast<int64_t>(i), 1).expand({-1, mask_channels[i], -1, -1}));
  }
  return at::cat(planes, 1);
}

Window window_of(const Tensor& x, const Tensor& mask, const Tensor& weight, at::IntArrayRef stride,
                 at::IntArrayRef padding, at::IntArrayRef dilation, bool scale_by_sum) {
  Window w{};
  w.batch = x.size(0);
  w.mask_batch = mask.size(0);
  w.mask_channels = mask.size(1);
  w.height = x.size(2);
  w.width = x.size(3);
  for (int axis : {0, 1}) {
    w.kernel[axis] = weight.size(2 + axis);
    w.stride[axis] = stride[axis];
    w.padding[axis] = padding[axis];
    w.dilation[axis] = dilation[axis];
    const int64_t reach = dilation[axis] * (w.kernel[axis] - 1) + 1;
    (axis ? w.out_width : w.out_height) = (x.size(2 + axis) + 2 * padding[axis] - reach) / stride[axis] + 1;
  }
  // "sum" divides by the number of known inputs over all channels, whether the mask has one channel or many
  w.scale = scale_by_sum ? static_cast<double>(mask.size(1)) / static_cast<double>(x.size(1))
                         : static_cast<double>(w.kernel[0] * w.kernel[1] * mask.size(1));
  return w;
}

}  // namespace inpaintx::partial_conv
