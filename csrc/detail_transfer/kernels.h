#pragma once

#include <cstdint>

#include "common/stream.h"

namespace inpaintx::detail_transfer {

template <typename acc_t>
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
