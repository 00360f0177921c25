#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "partial_conv/kernels.h"

namespace inpaintx::partial_conv {

// Raises ValueError, in words, for arguments of partial_conv2d that do not fit.
void check(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
           at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation);

// The same for partial_conv2d_backward, what the forward pass saved and the gradient of its result included.
void check_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& mask, const at::Tensor& ratio,
                    const at::Tensor& weight, at::IntArrayRef stride, at::IntArrayRef padding,
                    at::IntArrayRef dilation);

Window window_of(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, at::IntArrayRef stride,
                 at::IntArrayRef padding, at::IntArrayRef dilation, bool scale_by_sum);

}  // namespace inpaintx::partial_conv
