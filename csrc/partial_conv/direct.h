// The CPU's own convolution in float32: it hides and rescales in the tile that it works on, and leaves out what a plain
// convolution can't: taps that see hidden pixels alone, and results that nobody asks for. So it serves the forward pass
// (sources: x, hidden by the mask; results: y, rescaled by the ratio) and the gradient of x (sources: the gradient of
// y, rescaled; results: hidden by the mask).
#pragma once

#include <ATen/core/Tensor.h>

#include "partial_conv/kernels.h"

namespace inpaintx::partial_conv {

// Whether it is there for this processor, dtype and shape. Depends on no mask and no number of threads.
bool has_direct(const at::Tensor& x, const at::Tensor& weight, const Window& window);

// Fills y. x and y share a layout (contiguous or channels_last); mask is bool or float, contiguous; ratio as in
// kernels.h; bias may be undefined.
void direct_forward(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& bias,
                    const at::Tensor& ratio, const Window& window, const at::Tensor& y);

// Fills grad_x, from grad, the gradient of y; each is contiguous or channels_last.
void direct_backward(const at::Tensor& grad, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& ratio,
                     const Window& window, const at::Tensor& grad_x);

}  // namespace inpaintx::partial_conv
