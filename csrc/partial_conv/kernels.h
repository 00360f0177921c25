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

// One tensor seen as [outer, channels, inner]: NCHW has inner = H*W, channels_last has channels innermost.
struct Image {
  int64_t batch, channels, pixels;
  bool channels_last;
};

struct Window {
  int64_t batch, mask_batch, mask_channels, height, width, out_height, out_width;
  int64_t kernel[2], stride[2], padding[2], dilation[2];
  double scale;  // K: what the ratio is when one pixel is known
};

// out = hole ? 0 : x. mask is [mask_batch, mask_channels, pixels] with mask_channels 1 or image.channels, planar; here
// and below mask_t is uint8_t or float.
template <typename scalar_t, typename mask_t>
struct ApplyMask {
  Image image;
  const scalar_t* x;
  const mask_t* mask;
  int64_t mask_batch, mask_channels;
  scalar_t* out;
};

// ratio [batch, out_height * out_width] = scale / (known pixels in the window), 0 where there are none: new_mask is 1.
// On the CPU, where x is given, `masked` is the output buffer of the masked x, NCHW: a mask of many channels is read
// once.
template <typename acc_t, typename mask_t>
struct MaskRatio {
  Window window;
  const mask_t* mask;
  acc_t* ratio;
  mask_t* new_mask;
  const float* x = nullptr;
  float* masked = nullptr;
};

// y = ratio > 0 ? y * ratio + bias : 0, in place; bias may be null.
template <typename scalar_t, typename acc_t>
struct Rescale {
  Image image;
  scalar_t* y;
  const acc_t* ratio;
  const scalar_t* bias;
};

// out = grad * ratio, and grad_bias[c] = sum of grad where ratio > 0 (null: not wanted).
template <typename scalar_t, typename acc_t>
struct ScaleGradient {
  Image image;
  const scalar_t* grad;
  const acc_t* ratio;
  scalar_t* out;
  acc_t* grad_bias;
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
