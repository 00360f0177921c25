#pragma once

#include <cstdint>

namespace inpaintx::efros_leung {

template <typename acc_t>
struct Synthesis {
  const acc_t* image;  // [batch, channels, height, width]
  const bool* hole;    // [batch, height, width]
  acc_t* out;          // [batch, channels, height, width]; known pixels are the image's
  int64_t batch, channels, height, width;
  int64_t window, seed;
};

namespace cpu {
template <typename acc_t>
void synthesize(const Synthesis<acc_t>&);
}

}  // namespace inpaintx::efros_leung
