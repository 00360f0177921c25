// Inpainting by least total variation (Shen and Chan 2002), each channel by itself, on the CPU.
//
// image [batch, channels, height, width] and hole [batch, height, width], contiguous; acc_t is float or double, in
// which everything is computed. `out` has the shape of `image` and equals it at known pixels, bit for bit; what `image`
// holds under the hole is not read. Values lie in any range: the steps are scaled by the range of the boundary's values
// and the tolerance is relative, so that both mean the same for every image.
//
// Works from a pyramid's smallest plane up: each level starts from the one before and iterates until the primal-dual
// gap is `tol` of the energy, or for `max_iter` steps. A plane is one unit of work; planes go side by side, and the
// result does not depend on how many do.
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
