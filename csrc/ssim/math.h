// Structural similarity (Wang et al. 2004, eq. 13) from the means of x, y, x^2 + y^2 and xy under a window: the
// arithmetic of one pixel.
#pragma once

#include "common/host_device.h"

namespace inpaintx::ssim {

// Of a Gaussian that sums to 1: a window with less weight tells nothing and is skipped.
constexpr double kLeastWeight = 1e-3;

template <typename acc_t>
struct Similarity {
  acc_t value;
  acc_t by_x, by_y, by_squares, by_product;  // slopes along the four means
};

template <typename acc_t>
INPAINTX_HD Similarity<acc_t> similarity(acc_t mx, acc_t my, acc_t squares, acc_t product, acc_t c1, acc_t c2) {
  const acc_t both = mx * mx + my * my, cross = mx * my;
  const acc_t a1 = 2 * cross + c1, a2 = 2 * (product - cross) + c2;
  const acc_t b1 = both + c1, b2 = squares - both + c2;
  const acc_t under = acc_t(1) / (b1 * b2), value = a1 * a2 * under;
  const acc_t along = 2 * (a2 - a1) * under, across = 2 * value * (b1 - b2) * under;
  return {value, along * my + across * mx, along * mx + across * my, -value * b1 * under, 2 * a1 * under};
}

// Gradient of a pixel from the slopes, each averaged over the windows that hold the pixel: d(x^2 + y^2) / dx = 2x.
template <typename acc_t>
INPAINTX_HD acc_t gradient(acc_t by_own, acc_t by_squares, acc_t by_product, acc_t own, acc_t other) {
  return by_own + 2 * own * by_squares + other * by_product;
}

}  // namespace inpaintx::ssim
