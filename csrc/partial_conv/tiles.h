// The CPU's forward pass where direct.h has none, for images that are large against the kernel: tile by tile, so that
// the hidden pixels are zeroed, the convolution run and its output rescaled while the tile is in cache, and tiles that
// see no known pixel are skipped. One pass over x and one over y, as a plain convolution has.
#pragma once

#include <ATen/core/Tensor.h>

#include "partial_conv/kernels.h"

namespace inpaintx::partial_conv {

// Whether tiles pay; depends on shapes alone, so that results do not depend on the number of threads.
bool use_tiles(const at::Tensor& x, const at::Tensor& weight, const Window& window);

// Fills y. x and y share a layout (contiguous or channels_last); mask is bool or float, contiguous; ratio as in
// kernels.h; bias may be undefined.
void convolve_tiles(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& bias,
                    const at::Tensor& ratio, const Window& window, const at::Tensor& y);

}  // namespace inpaintx::partial_conv
