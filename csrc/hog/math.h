// Histogram of oriented gradients (Dalal and Triggs 2005), as scikit-image defines it: the arithmetic of one pixel.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/inline.h"

namespace inpaintx::hog {

constexpr int kMaxBins = 64;

// Unit vectors at the lower edges of the orientation bins, 0 <= angle < 180 degrees.
template <typename acc_t>
struct Edges {
  acc_t cosine[kMaxBins], sine[kMaxBins];
};

template <typename acc_t>
inline Edges<acc_t> edges(int64_t bins) {
  Edges<acc_t> e{};
  for (int64_t i = 0; i < bins; ++i) {
    const double angle = 3.14159265358979323846 * static_cast<double>(i) / static_cast<double>(bins);
    // 45 and 135 degrees are met exactly by integer gradients: cosine and sine must not differ there by rounding
    const bool diagonal = 4 * i == bins || 4 * i == 3 * bins;
    e.sine[i] = static_cast<acc_t>(std::sin(angle));
    e.cosine[i] = diagonal ? (4 * i == bins ? e.sine[i] : -e.sine[i]) : static_cast<acc_t>(std::cos(angle));
    if (2 * i == bins) e.cosine[i] = 0;
  }
  return e;
}

// Hard bin of an unsigned gradient: how many edges its direction, folded into the upper half plane, has passed.
template <typename acc_t>
INPAINTX_HD int bin_of(acc_t down, acc_t right, const Edges<acc_t>& e, int bins) {
  const bool fold = down < 0 || (down == 0 && right < 0);
  const acc_t y = fold ? -down : down, x = fold ? -right : right;
  int bin = 0;
  // compared, not subtracted: a fused multiply-add would break the ties of 45 and 135 degrees
  for (int i = 1; i < bins; ++i) bin += e.cosine[i] * y >= e.sine[i] * x;
  return bin;
}

}  // namespace inpaintx::hog
