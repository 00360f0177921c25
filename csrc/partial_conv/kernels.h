// What surrounds the convolution itself, on plain pointers. Declared once, defined in cpu.cpp and cuda.cu.
#pragma once

#include <cstdint>

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

// The device's stream in CUDA, nothing on the CPU.
struct Queue {
  void* stream = nullptr;
};

// out = hole ? 0 : x. mask is [mask_batch, mask_channels, pixels] with mask_channels 1 or image.channels, planar; here
// and below mask_t is uint8_t or float.
template <typename scalar_t, typename mask_t>
struct Hide {
  Image image;
  const scalar_t* x;
  const mask_t* mask;
  int64_t mask_batch, mask_channels;
  scalar_t* out;
};

// ratio [batch, out_height * out_width] = scale / (known pixels in the window), 0 where there are none: new_mask is 1.
// On the CPU, where x is given, `hidden` receives what Hide writes, of planes: a mask of many channels is read once.
template <typename acc_t, typename mask_t>
struct Ratio {
  Window window;
  const mask_t* mask;
  acc_t* ratio;
  mask_t* new_mask;
  const float* x = nullptr;
  float* hidden = nullptr;
};

// y = ratio > 0 ? y * ratio + bias : 0, in place; bias may be null.
template <typename scalar_t, typename acc_t>
struct Renormalise {
  Image image;
  scalar_t* y;
  const acc_t* ratio;
  const scalar_t* bias;
};

// out = grad * ratio, and grad_bias[c] = sum of grad where ratio > 0 (null: not wanted).
template <typename scalar_t, typename acc_t>
struct ScaleGrad {
  Image image;
  const scalar_t* grad;
  const acc_t* ratio;
  scalar_t* out;
  acc_t* grad_bias;
};

namespace cpu {
template <typename scalar_t, typename mask_t>
void run(const Hide<scalar_t, mask_t>&, Queue);
template <typename acc_t, typename mask_t>
void run(const Ratio<acc_t, mask_t>&, Queue);
template <typename scalar_t, typename acc_t>
void run(const Renormalise<scalar_t, acc_t>&, Queue);
template <typename scalar_t, typename acc_t>
void run(const ScaleGrad<scalar_t, acc_t>&, Queue);
}  // namespace cpu

namespace cuda {
template <typename scalar_t, typename mask_t>
void run(const Hide<scalar_t, mask_t>&, Queue);
template <typename acc_t, typename mask_t>
void run(const Ratio<acc_t, mask_t>&, Queue);
template <typename scalar_t, typename acc_t>
void run(const Renormalise<scalar_t, acc_t>&, Queue);
template <typename scalar_t, typename acc_t>
void run(const ScaleGrad<scalar_t, acc_t>&, Queue);
}  // namespace cuda

}  // namespace inpaintx::partial_conv
