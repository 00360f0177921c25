// Texture synthesis by non-parametric sampling (Efros and Leung 1999): constants and weights. kNearBest is the paper's
// epsilon of 0.1; kFirstLimit and kLimitGrowth are its MaxErrThreshold and that one's growth.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/inline.h"

namespace inpaintx::efros_leung {

constexpr double kNearBest = 1.1;    // a window may be drawn when its distance is at most this times the least
constexpr double kFirstLimit = 0.3;  // and below this; it grows by kLimitGrowth when no pixel of a ring can be filled
constexpr double kLimitGrowth = 1.1;
// Fewer windows than a sixteenth of the hole's pixels would be copied over and over; a smaller window has more
// candidates.
constexpr int64_t kScarce = 16;  // hole pixels for one window that may be drawn, above which there are too few

// Where the centers of windows are looked for near a pixel alone, the square around it is doubled until it has so many.
constexpr int64_t kFew = 256;

// Gaussian of standard deviation window / 6.4.
INPAINTX_HD double weight_of(int64_t dy, int64_t dx, int64_t window) {
  const double sigma = static_cast<double>(window) / 6.4;
  return std::exp(-static_cast<double>(dy * dy + dx * dx) / (2 * sigma * sigma));
}

}  // namespace inpaintx::efros_leung
