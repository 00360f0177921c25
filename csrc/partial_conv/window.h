// The checks of partial_conv2d, and the geometry that follows from its arguments. Errors are ValueErrors that name the
// argument, what was expected and what came.
//   x         [B,Cin,H,W] floating           mask      [B|1,1|Cin|G,H,W] real or bool, on x's device
//   weight    [Cout,Cin,kh,kw] like x        bias      [Cout] like x, or none
//   stride, padding, dilation   two integers each, vertical first
//   mask_channels               G integers whose sum is Cin: of how many channels each plane of the mask is; or none
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "partial_conv/kernels.h"

namespace inpaintx::partial_conv {

// Raises ValueError, in words, for arguments of partial_conv2d that do not fit.
void check(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
           at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, at::IntArrayRef mask_channels);

// The same for partial_conv2d_backward, what the forward pass saved and the gradient of its result included.
void check_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& mask, const at::Tensor& ratio,
                    const at::Tensor& weight, at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                    at::IntArrayRef mask_channels);

// A mask whose planes are each of several channels, as bool with a plane for each of x's channels: scratch of a call,
// where the mask itself is kept for the backward pass. Without mask_channels, the mask.
at::Tensor per_channel(const at::Tensor& mask, at::IntArrayRef mask_channels);

// Sizes of the output, and the scale K of the ratio: the window's pixels times the mask's channels; with scale_by_sum
// such that the ratio is 1 / (known inputs of the window over all of x's channels). Arguments have passed check().
Window window_of(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, at::IntArrayRef stride,
                 at::IntArrayRef padding, at::IntArrayRef dilation, bool scale_by_sum);

}  // namespace inpaintx::partial_conv
