// Texture synthesis by non-parametric sampling (Efros and Leung 1999) on the CPU.
//
// image [batch, channels, height, width] and hole [batch, height, width], contiguous; acc_t is float or double, in
// which distances are summed. `out` has the shape of `image` and equals it at known pixels, bit for bit. A hole pixel
// takes the value of the center of a known window of the same image that looks like its own surroundings, drawn among
// the near best (math.h); pixels with most known neighbors come first.
//
// Draws are a function of seed and pixel (common/random.h): neither the order of work nor the number of threads changes
// a result. Images go side by side, and the candidates of one pixel too where there are few images.
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
