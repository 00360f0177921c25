// Texture synthesis by non-parametric sampling (Efros and Leung 1999, section 2.1) on the CPU. A hole pixel takes the
// value of the center of a known window of the same image that looks like its own surroundings, drawn among the near
// best (math.h); pixels with most known neighbors come first.
//
// Draws are a function of seed and pixel (common/random.h): neither the order of work nor the number of threads changes
// a result. Images go side by side, and the pixels of a ring that do not see each other where there is one image.
#pragma once

#include <cstdint>

namespace inpaintx::efros_leung {

template <typename acc_t>
// acc_t is float, or double for float64 images; distances are summed in it. Arrays are contiguous and the caller's; out
// alone is written, and in whole: known pixels are the image's bit for bit, and where nothing is known or no window's
// distance is a number, 0.5.
//   window  side of the compared windows, odd; cut to what the image and its known pixels allow
//   seed    of the draws
//   reach   rows and columns around a pixel in which the centers of windows may lie (math.h); 0: anywhere
struct Synthesis {
  const acc_t* image;  // [batch, channels, height, width]
  const bool* hole;    // [batch, height, width]
  acc_t* out;          // [batch, channels, height, width]; known pixels are the image's
  int64_t batch, channels, height, width;
  int64_t window, seed, reach;
};

namespace cpu {
template <typename acc_t>
void synthesize(const Synthesis<acc_t>&);
}

}  // namespace inpaintx::efros_leung
