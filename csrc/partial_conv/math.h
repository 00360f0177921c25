// Arithmetic of one output pixel of a partial convolution (Liu et al. 2018, eq. 1 and 2).
#pragma once

#include <cstdint>

#include "common/inline.h"
#include "common/mask.h"

namespace inpaintx::partial_conv {

// The share of outputs without a known pixel from which work is cut up finely enough to leave them out.
constexpr double kLargeHole = 0.3;

// The taps [first, last) of a window of `size` taps that lie inside an axis of `length` pixels.
struct Taps {
  int64_t first, last;
};

// start: the window's first input along the axis, negative in the padding. Where the window lies wholly outside, first
// is not below last, and a loop over the taps does nothing.
INPAINTX_HD Taps taps_inside(int64_t start, int64_t size, int64_t dilation, int64_t length) {
  const int64_t first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const int64_t beyond = length - start;  // taps t with start + t * dilation < length
  const int64_t last = beyond <= 0 ? 0 : (beyond + dilation - 1) / dilation;
  return {first, last < size ? last : size};
}

// K / S, or 0 where the window shows no known pixel: an exact test, since an epsilon would vanish in half precision.
template <typename acc_t>
INPAINTX_HD acc_t ratio(int64_t known, acc_t scale) {
  return known > 0 ? scale / static_cast<acc_t>(known) : acc_t(0);
}

// y = K/S * conv + b where the window shows a known pixel, else 0.
template <typename acc_t>
INPAINTX_HD acc_t renormalise(acc_t conv, acc_t ratio, acc_t bias) {
  return ratio > acc_t(0) ? conv * ratio + bias : acc_t(0);
}

}  // namespace inpaintx::partial_conv
