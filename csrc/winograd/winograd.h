// Convolution by 3 x 3 windows, step 1, in float32 on the CPU, by Winograd's F(4 x 4, 3 x 3): 36 products for 16
// results of a channel instead of 144. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
#pragma once

#include <ATen/core/Tensor.h>

namespace inpaintx::winograd {

// Whether each of the functions below is there for this processor, dtype and shape, and faster than ATen's. None
// depends on the number of threads. Images are contiguous or channels_last, both of a gradient the same; paddings are
// those of the convolution.
bool pays(const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef padding);
bool grad_x_pays(const at::Tensor& grad, const at::Tensor& weight, at::IntArrayRef padding);
bool grad_weight_pays(const at::Tensor& grad, const at::Tensor& x, at::IntArrayRef padding);

// x [B,C,H,W], weight [K,C,3,3], bias [K] or undefined -> y in the layout of x.
at::Tensor forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef padding);

// The gradient of x from that of y, in its layout.
at::Tensor grad_x(const at::Tensor& grad, const at::Tensor& weight, at::IntArrayRef padding);

// The gradient of the weights, [K,C,3,3].
at::Tensor grad_weight(const at::Tensor& grad, const at::Tensor& x, at::IntArrayRef padding);

}  // namespace inpaintx::winograd
