// Inpainting by least total variation (Shen and Chan 2002), each channel by itself, on the CPU:
//
//   minimize  sum over pixels of |grad u|  over u on the hole,  u = image elsewhere.
//
// Works from a pyramid's smallest plane up: each level starts from the one before and iterates until the primal-dual
// gap is `tol` of the energy, or for `max_iter` steps. Values lie in any range: the steps are scaled by the range of
// the boundary's values and the tolerance is relative, so that both mean the same for every image. A plane is one unit
// of work; planes go side by side, and the result does not depend on how many do.
#pragma once

#include <cstdint>

namespace inpaintx::tv {

template <typename acc_t>
// acc_t is float, or double for float64 images; everything but the gap is computed in it. Arrays are contiguous and the
// caller's; out alone is written. What image holds under the hole is not read; a plane without a known pixel becomes
// 0.5.
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
