// Probability maps of SPDNorm (Liu et al., PD-GAN, CVPR 2021), declared once for both backends.
//
//   hard:      k^-i for a hole pixel that the i-th of n dilations of the known region reaches, k^-n for the others. It
//   is a
//              chessboard distance transform, cut at n windows, whose cost does not grow with n.
//   improved:  n times, a hole pixel takes the mean over its window of the map before; with `freeze` once only, when it
//              is first reached.
//
// Known pixels have 1. Pixels beyond the image are neither known nor counted: the mean divides by the whole window's
// area.
#pragma once

#include <cstdint>

#include "common/inline.h"
#include "common/stream.h"

namespace inpaintx::spd_map {

// mask_t is uint8_t (not 0 = hole) or float (above 0.5). Both arrays are contiguous and the caller's; map is written in
// whole.
template <typename mask_t>
struct Map {
  const mask_t* mask;  // [batch, height, width]
  float* map;          // [batch, height, width]
  int64_t batch, height, width;
  int64_t n, radius;  // radius: of the part of the window that can lie in the image, at most the image's longer side
  float per_area;     // 1 / (pixels of the whole window)
  double k;           // hard: ring i has the value k^-i
  bool freeze;        // improved: assign a pixel once, when it is first reached

  INPAINTX_HD int64_t longest() const { return height > width ? height : width; }
  // hard: how far n steps reach, at most the longest distance in the image
  INPAINTX_HD int64_t reach() const {
    const int64_t far = (n < longest() ? n : longest()) * radius;
    return far < longest() ? far : longest();
  }
  // CUDA: words of a column's known pixels, 32 rows a word
  INPAINTX_HD int64_t words() const { return (height + 31) / 32; }
};

namespace cpu {
template <typename mask_t>
void hard(const Map<mask_t>&);
template <typename mask_t>
void improved(const Map<mask_t>&);
}  // namespace cpu

namespace cuda {
// Scratch: bits [batch, words(), width], bit y % 32 of word y / 32 = row y is known; powers [reach() + 2]; map as map.
template <typename mask_t>
void hard(const Map<mask_t>&, uint32_t* bits, float* powers, Stream);
template <typename mask_t>
void improved(const Map<mask_t>&, uint32_t* bits, float* map, Stream);
}  // namespace cuda

}  // namespace inpaintx::spd_map
