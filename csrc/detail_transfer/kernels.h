// The vote of detail_transfer, declared once for both backends: what each hole pixel takes from the matches of the
// patches that cover it. A patch around (cy, cx) has been matched with the source patch around nnf(cy, cx) by
// patchmatch; it gives pixel (y, x) the residual at nnf(cy, cx) + (y, x) - (cy, cx), and
//
//   detail(y, x) = sum over patches of w residual / sum of w,   w = exp(-cost / (2 usual)),
//
// as the vote of Wexler, Shechtman and Irani ("Space-Time Completion of Video", PAMI 2007), with the image's median
// cost in the place of their sigma^2. One pixel gathers its own votes, in raster order of the patches: no two threads
// write one sum, and the result does not depend on how the pixels are shared.
#pragma once

#include <cstdint>

#include "common/stream.h"

namespace inpaintx::detail_transfer {

template <typename acc_t>
// acc_t is float, or double where the residual is. All arrays are contiguous and the caller's; detail alone is written,
// and in whole: 0 outside the hole and where no patch over a pixel has a match. Residuals lie channels last, so that a
// vote is one run of memory.
//   kernel_size  side of a patch, odd. Matched patches lie inside the source, so that no vote reads beyond it
struct Vote {
  const acc_t* residual;  // [batch, source_height, source_width, channels]
  const int32_t* nnf;     // [batch, height, width, 2] row and column; -1: no match
  const float* cost;      // [batch, height, width]
  const float* usual;     // [batch] the median cost; NaN where an image has no match
  const bool* hole;       // [batch, height, width]
  acc_t* detail;          // [batch, height, width, channels]
  int64_t batch, channels, height, width, source_height, source_width, kernel_size;
};

namespace cpu {
template <typename acc_t>
void vote_all(const Vote<acc_t>&);
}

namespace cuda {
template <typename acc_t>
void vote_all(const Vote<acc_t>&, Stream);
}

}  // namespace inpaintx::detail_transfer
