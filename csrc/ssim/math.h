// Structural similarity (Wang et al. 2004, eq. 13) from the means of x, y, (x - y)^2 and xy under a window: the
// arithmetic of one pixel. Values are in units of the data range.
#pragma once

#include "common/inline.h"

namespace inpaintx::ssim {

// Of a Gaussian that sums to 1: a window with less weight tells nothing and is skipped.
constexpr double kLeastWeight = 1e-3;
constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;
constexpr double kMost = 1 << 30;  // data ranges: what is beyond counts as this, so that no product overflows

// A value in units of the data range; NaN stays NaN.
template <typename acc_t>
INPAINTX_HD acc_t normal(acc_t value, acc_t per_range) {
  const acc_t v = value * per_range, most = acc_t(kMost);
  return v > most ? most : v < -most ? -most : v;
}

template <typename acc_t>
struct Similarity {
  acc_t value;
  acc_t by_x, by_y, by_squares, by_product;  // slopes along the four means
};

// With v the variance of x - y: 2 mx my + c1 = a1, mx^2 + my^2 + c1 = a1 + (mx - my)^2, and likewise
// 2 cov + c2 = a2, var x + var y + c2 = a2 + v. So rounding never takes the similarity above 1, nor that of equal
// images from it. What rounding may break, v >= 0 and |2 cov| <= var x + var y, is restored.
template <typename acc_t>
INPAINTX_HD Similarity<acc_t> similarity(acc_t mx, acc_t my, acc_t squares, acc_t product) {
  const acc_t apart = mx - my, cross = mx * my, far = apart * apart;
  const acc_t v = squares > far ? squares - far : acc_t(0), least = acc_t(-0.5) * v, twice = 2 * (product - cross);
  const acc_t a1 = 2 * cross + acc_t(kC1), a2 = (twice < least ? least : twice) + acc_t(kC2);
  const acc_t b1 = a1 + far, b2 = a2 + v, value = (a1 * a2) / (b1 * b2);
  const acc_t per1 = acc_t(1) / b1, per2 = acc_t(1) / b2, l = a1 * per1, s = a2 * per2;
  const acc_t along = 2 * (s * (far * per1) * per1 - l * (v * per2) * per2), across = 2 * l * s * (per2 - per1) * apart;
  return {value, along * my + across, along * mx - across, -l * s * per2, 2 * l * (v * per2) * per2};
}

// Gradient of a pixel from the slopes, each averaged over the windows that hold the pixel.
template <typename acc_t>
INPAINTX_HD acc_t gradient(acc_t by_own, acc_t by_squares, acc_t by_product, acc_t own, acc_t other) {
  return by_own + 2 * (own - other) * by_squares + other * by_product;
}

}  // namespace inpaintx::ssim
