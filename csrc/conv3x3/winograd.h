// Convolution by 3 x 3 windows, step 1, in float32 on the CPU, by Winograd's F(4 x 4, 3 x 3): 36 products for 16
// results of a channel instead of 144. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
#pragma once

#include <ATen/core/Tensor.h>

namespace inpaintx::winograd {

// Whether each of the functions below is there for this processor (AVX2 or AVX-512), dtype (float32) and shape, and
// faster than ATen's. None depends on the number of threads. Images are contiguous or channels_last; paddings are those
// of the convolution, vertical first, 0 to 2.
//   x       [B,C,H,W]      weight  [K,C,3,3]      grad  [B,K,H+2p-2,W+2p-2]
bool use_winograd(const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef padding);
bool use_winograd_for_input(const at::Tensor& grad, const at::Tensor& weight, at::IntArrayRef padding);
bool use_winograd_for_weight(const at::Tensor& grad, const at::Tensor& x, at::IntArrayRef padding);

// Images may have factors, float [B|1,1,H,W], contiguous: what is read of x and of y's gradient, and what is written to
// y and to x's gradient, is multiplied by them, and 0 where they are, whatever the value; bias is added where y's are
// not 0. Tiles of 4 x 4 results of which nothing is written are left out.

// x [B,C,H,W], weight [K,C,3,3], bias [K] or undefined -> y [B,K,H+2p-2,W+2p-2].
void forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef padding,
             const at::Tensor& y, const at::Tensor& x_factors = {}, const at::Tensor& y_factors = {});

// The gradient of x from that of y -> result.
void grad_x(const at::Tensor& grad, const at::Tensor& weight, at::IntArrayRef padding, const at::Tensor& result,
            const at::Tensor& y_factors = {}, const at::Tensor& x_factors = {});

// The gradient of the weights, [K,C,3,3].
at::Tensor grad_weight(const at::Tensor& grad, const at::Tensor& x, at::IntArrayRef padding,
                       const at::Tensor& y_factors = {}, const at::Tensor& x_factors = {});

}  // namespace inpaintx::winograd
