// What surrounds the convolution itself, on plain pointers: declared once, defined in cpu.cpp and cuda.cu. A partial
// convolution (Liu et al. 2018, eq. 1) is
//
//   y = W * (M x) K/S + b where S > 0, else 0;   new mask = 1 where S = 0,
//
// with M = 1 - mask the known pixels, S their number in a window (over the mask's channels) and K the window's size. In
// the order of use: MaskRatio gives K/S and the new mask, ApplyMask M x, Rescale the line above from W * (M x), and
// ScaleGradient what the convolution's backward pass takes, g K/S, and the bias's gradient.
//
// scalar_t is the tensors' dtype and acc_t float for the half types, else the same.
#pragma once

#include <cstdint>

#include "common/stream.h"

namespace inpaintx::partial_conv {

// A tensor [batch, channels, H, W] as the elementwise kernels see it. Its memory is dense in one of two orders:
//   contiguous     element (b, c, p) at (b * channels + c) * pixels + p
//   channels_last  element (b, c, p) at (b * pixels + p) * channels + c
// with pixels = H * W and p = y * W + x. All tensors of one call share the order.
struct Image {
  int64_t batch, channels, pixels;
  bool channels_last;
};

// The geometry of a convolution; index 0 of a pair is the vertical axis. Sizes are in pixels and have been checked:
// each window reaches into the padded input, and no product of two of them overflows.
//   batch, height, width    of x
//   mask_batch              1 (one mask for all images) or batch
//   mask_channels           1 (one mask for all channels) or x's channels
//   out_height, out_width   of y: (height + 2 padding - dilation (kernel - 1) - 1) / stride + 1
struct Window {
  int64_t batch, mask_batch, mask_channels, height, width, out_height, out_width;
  int64_t kernel[2], stride[2], padding[2], dilation[2];
  double scale;  // K: what the ratio is when one pixel is known
};

// out = hole ? 0 : x, whatever x holds under the hole, NaN included.
//   image          of x and out
//   x              [batch, channels, pixels], read
//   mask           [mask_batch, mask_channels, pixels], read; planes lie one after the other in either order of x,
//   since a
//                  mask of one channel is the same in both and one of many comes from the caller as it is. mask_t is
//                  uint8_t (not 0 = hole) or float (above 0.5 = hole), here and below
//   mask_batch     1 or image.batch
//   mask_channels  1 or image.channels
//   out            as x, written in whole; may be x itself
// The caller owns all memory, here and below; kernels allocate scratch at most.
template <typename scalar_t, typename mask_t>
struct ApplyMask {
  Image image;
  const scalar_t* x;
  const mask_t* mask;
  int64_t mask_batch, mask_channels;
  scalar_t* out;
};

// ratio = scale / (known pixels in the window over the mask's channels), or 0 where there are none; new_mask = 1 there,
// else 0. Counts are integers, so that "none" is exact.
//   window    geometry and scale
//   mask      [mask_batch, mask_channels, height, width], read
//   ratio     [batch, 1, out_height, out_width], written
//   new_mask  [batch, 1, out_height, out_width], written, in the mask's type
//   x, masked CPU only, may be null together: x [batch, mask_channels, height, width] contiguous is read, and masked,
//   of
//             the same shape, receives it without its hidden pixels. A mask of many channels, as large as x itself, is
//             thus read once for both purposes
template <typename acc_t, typename mask_t>
struct MaskRatio {
  Window window;
  const mask_t* mask;
  acc_t* ratio;
  mask_t* new_mask;
  const float* x = nullptr;
  float* masked = nullptr;
};

// y = ratio > 0 ? y * ratio + bias : 0, in place; computed in acc_t and rounded once.
//   y      [batch, channels, pixels]: in, the convolution of the masked x without bias; out, the result
//   ratio  [batch, pixels], as MaskRatio wrote it
//   bias   [channels], or null
template <typename scalar_t, typename acc_t>
struct Rescale {
  Image image;
  scalar_t* y;
  const acc_t* ratio;
  const scalar_t* bias;
};

// What the plain convolution's backward pass takes for its output gradient, and the gradient of the bias. A result
// whose window saw nothing is the constant 0: nothing flows through it, into the bias neither.
//   grad       [batch, channels, pixels], the gradient of y, read
//   ratio      [batch, pixels], as MaskRatio wrote it
//   out        as grad, written: grad * ratio; may be grad itself
//   grad_bias  [channels] in acc_t, written: sum of grad where ratio > 0; null where it is not asked for
//   parts      CUDA only, where grad_bias is asked for: scratch [cuda::bias_parts(image), channels]
template <typename scalar_t, typename acc_t>
struct ScaleGradient {
  Image image;
  const scalar_t* grad;
  const acc_t* ratio;
  scalar_t* out;
  acc_t* grad_bias;
  acc_t* parts = nullptr;
};

namespace cpu {
template <typename scalar_t, typename mask_t>
void apply_mask(const ApplyMask<scalar_t, mask_t>&);
template <typename acc_t, typename mask_t>
void mask_ratio(const MaskRatio<acc_t, mask_t>&);
template <typename scalar_t, typename acc_t>
void rescale(const Rescale<scalar_t, acc_t>&);
template <typename scalar_t, typename acc_t>
void scale_gradient(const ScaleGradient<scalar_t, acc_t>&);
}  // namespace cpu

namespace cuda {
int64_t bias_parts(const Image&);  // parts that the bias's gradient is summed in; by shapes alone
template <typename scalar_t, typename mask_t>
void apply_mask(const ApplyMask<scalar_t, mask_t>&, Stream);
template <typename acc_t, typename mask_t>
void mask_ratio(const MaskRatio<acc_t, mask_t>&, Stream);
template <typename scalar_t, typename acc_t>
void rescale(const Rescale<scalar_t, acc_t>&, Stream);
template <typename scalar_t, typename acc_t>
void scale_gradient(const ScaleGradient<scalar_t, acc_t>&, Stream);
}  // namespace cuda

}  // namespace inpaintx::partial_conv
