// SPDNorm (Liu et al., PD-GAN, CVPR 2021): positional normalization, then a modulation as strong as the probability map
// says; the arithmetic of one channel of one pixel. With g the gradient of y and h = g (1 + P gamma) that of x^:
//   dgamma = g P x^,  dbeta = g P,  dP = sum over channels of g (x^ gamma + beta),
//   dx = rstd (h - mean(h) - x^ sum(h x^) / (C - 1)).
#pragma once

#include "common/inline.h"

namespace inpaintx::spd_norm {

// x^ (1 + P gamma) + P beta
template <typename acc_t>
INPAINTX_HD acc_t modulate(acc_t normal, acc_t gamma, acc_t beta, acc_t p) {
  return normal * (acc_t(1) + p * gamma) + p * beta;
}

// What the gradient of x^ is, from that of the result.
template <typename acc_t>
INPAINTX_HD acc_t grad_normal(acc_t grad, acc_t gamma, acc_t p) {
  return grad * (acc_t(1) + p * gamma);
}

// The term of one channel in the gradient of P.
template <typename acc_t>
INPAINTX_HD acc_t grad_probability(acc_t grad, acc_t normal, acc_t gamma, acc_t beta) {
  return grad * (normal * gamma + beta);
}

// Gradient of x from that of x^, its mean over the channels, and the sum of its product with x^ divided by C - 1.
template <typename acc_t>
INPAINTX_HD acc_t grad_input(acc_t grad_normal, acc_t normal, acc_t mean, acc_t product, acc_t rstd) {
  return rstd * (grad_normal - mean - normal * product);
}

}  // namespace inpaintx::spd_norm
