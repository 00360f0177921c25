// Probability maps of SPDNorm: the arithmetic of one pixel.
#pragma once

#include <cstdint>

#include "common/inline.h"
#include "common/mask.h"

namespace inpaintx::spd_map {

// Ring of a hole pixel at chessboard distance d from the known region: dilation by a (2r+1)-window reaches it in
// step ceil(d / r); what n steps do not reach counts as the last ring.
INPAINTX_HD int64_t ring(int64_t distance, int64_t radius, int64_t n) {
  if (radius == 0) return n;
  const int64_t step = (distance + radius - 1) / radius;
  return step < n ? step : n;
}

// One step of the improved map: known pixels stay 1; a hole pixel takes the mean of its window, in "freeze" once only.
INPAINTX_HD float improved_step(bool hole, float now, float window_sum, float per_area, bool freeze) {
  if (!hole) return 1.0f;
  return freeze && now > 0.0f ? now : window_sum * per_area;
}

}  // namespace inpaintx::spd_map
