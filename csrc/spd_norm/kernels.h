// SPDNorm (Liu et al., PD-GAN, CVPR 2021), declared once for both backends: normalization of each pixel over its
// channels (positional normalization, Li et al. 2019), then a modulation as strong as the probability map says,
//
//   x^ = (x - mean) / sqrt(variance + eps),   y = x^ (1 + P gamma) + P beta,
//
// with the unbiased variance over the channels of one pixel. scalar_t is the tensors' dtype, acc_t the one that is
// computed in: float for the half types, else the same. mean and rstd = 1 / sqrt(variance + eps) are kept for the
// backward pass, whose formulas are in math.h. Sums run over one pixel's channels, by one thread or one group of lanes
// in a fixed order: no result depends on the other pixels or on the number of threads.
#pragma once

#include <cstdint>

#include "common/stream.h"

namespace inpaintx::spd_norm {

struct Shape {
  int64_t batch, channels, pixels;
  bool channels_last;  // of every image below
};

// [batch, channels, pixels] in the layout of the shape; a half of a wider tensor's channels is such an image too.
// Element (b, c, p) is at b * batch + c * line + p, or at b * batch + p * line + c with channels_last. The caller owns
// the data.
template <typename scalar_t>
struct Image {
  scalar_t* data;
  int64_t batch, line;  // steps in memory: to the next image, and to the next channel (channels_last: pixel)
};

//   x, gamma, beta  read
//   probability     [batch, pixels], contiguous, read
//   eps             above 0
//   y               written
//   mean, rstd      [batch, pixels], contiguous, written
template <typename scalar_t, typename acc_t>
struct Forward {
  Shape shape;
  Image<const scalar_t> x, gamma, beta;
  const acc_t* probability;
  acc_t eps;
  Image<scalar_t> y;
  acc_t *mean, *rstd;
};

//   grad, x, gamma, beta             grad is that of y; beta is read for grad_probability alone and may be x's data
//   else probability, mean, rstd          [batch, pixels], contiguous, as in the forward pass grad_x, grad_gamma,
//   grad_beta    written, or not wanted where data is null grad_probability                 [batch, pixels],
//   contiguous, written, or null
template <typename scalar_t, typename acc_t>
struct Backward {
  Shape shape;
  Image<const scalar_t> grad, x, gamma, beta;
  const acc_t *probability, *mean, *rstd;
  Image<scalar_t> grad_x, grad_gamma, grad_beta;
  acc_t* grad_probability;
};

namespace cpu {
template <typename scalar_t, typename acc_t>
void normalize(const Forward<scalar_t, acc_t>&);
template <typename scalar_t, typename acc_t>
void normalize_backward(const Backward<scalar_t, acc_t>&);
}  // namespace cpu

namespace cuda {
template <typename scalar_t, typename acc_t>
void normalize(const Forward<scalar_t, acc_t>&, Stream);
template <typename scalar_t, typename acc_t>
void normalize_backward(const Backward<scalar_t, acc_t>&, Stream);
}  // namespace cuda

}  // namespace inpaintx::spd_norm
