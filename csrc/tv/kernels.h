#pragma once

#include <cstdint>

namespace inpaintx::tv {

template <typename acc_t>
struct Problem {
  const acc_t* image;  // [batch, channels, height, width]
  const bool* hole;    // [batch, height, width]
  acc_t* out;          // [batch, channels, height, width]; known pixels are the image's
  int64_t batch, channels, height, width;
  double tol;        // on the primal-dual gap relative to the energy
  int64_t max_iter;  // per level of the pyramid
};

namespace cpu {
template <typename acc_t>
void minimize(const Problem<acc_t>&);
}

}  // namespace inpaintx::tv
