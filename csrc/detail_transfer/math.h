// The vote on one hole pixel: the patches over it each say what their match has there.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/inline.h"
#include "detail_transfer/kernels.h"

namespace inpaintx::detail_transfer {

// A match of the median cost counts exp(-1/2); where half of all matches are exact, inexact ones do not count.
INPAINTX_HD float weight_of(float cost, float usual) {
  constexpr float exact = 1e-10f;
  return std::exp(-cost / (2 * (usual > exact ? usual : exact)));
}

template <typename acc_t>
// Writes the residual of pixel (b, y, x). Sums run in acc_t, patches in raster order, channels innermost.
INPAINTX_HD void vote(const Vote<acc_t>& a, int64_t b, int64_t y, int64_t x) {
  const int64_t r = a.kernel_size / 2, c = a.channels;
  acc_t* out = a.detail + ((b * a.height + y) * a.width + x) * c;
  for (int64_t i = 0; i < c; ++i) out[i] = 0;
  if (!a.hole[(b * a.height + y) * a.width + x]) return;
  acc_t total = 0;
  // (cy, cx): the middle of a patch over this pixel, inside the image however large the patch
  const int64_t top = y > r ? y - r : 0, bottom = y + r < a.height ? y + r : a.height - 1;
  const int64_t left = x > r ? x - r : 0, right = x + r < a.width ? x + r : a.width - 1;
  for (int64_t cy = top; cy <= bottom; ++cy) {
    for (int64_t cx = left; cx <= right; ++cx) {
      const int64_t at = (b * a.height + cy) * a.width + cx;
      if (a.nnf[2 * at] < 0) continue;
      const auto weight = static_cast<acc_t>(weight_of(a.cost[at], a.usual[b]));
      const int64_t sy = a.nnf[2 * at] + y - cy, sx = a.nnf[2 * at + 1] + x - cx;  // inside: whole patches are matched
      const acc_t* from = a.residual + ((b * a.source_height + sy) * a.source_width + sx) * c;
      for (int64_t i = 0; i < c; ++i) out[i] += weight * from[i];
      total += weight;
    }
  }
  for (int64_t i = 0; i < c; ++i) out[i] = total > 0 ? out[i] / total : 0;
}

}  // namespace inpaintx::detail_transfer
