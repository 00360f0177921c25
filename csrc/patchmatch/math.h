// PatchMatch (Barnes et al. 2009): the arithmetic of one target pixel.
#pragma once

#include <cstdint>

#include "common/inline.h"
#include "common/random.h"

namespace inpaintx::patchmatch {

INPAINTX_HD int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

// Window of a random draw: [first, last] around `center`, cut at the image.
INPAINTX_HD int64_t draw_within(uint32_t bits, int64_t centre, int64_t radius, int64_t size) {
  const int64_t first = centre > radius ? centre - radius : 0;
  const int64_t last = centre + radius < size - 1 ? centre + radius : size - 1;
  return first + below(bits, last - first + 1);
}

// Sum of squared differences of `rows` rows of `length` values, the rows `source_stride` and `target_stride` values
// apart; stops after a row with which it reaches `limit`, for sums only grow: what is returned then is some value not
// below it.
template <typename acc_t>
INPAINTX_HD acc_t ssd(const acc_t* source, const acc_t* target, int64_t rows, int64_t length, int64_t source_stride,
                      int64_t target_stride, acc_t limit) {
  acc_t sum = 0;
  for (int64_t v = 0; v < rows; ++v) {
    const acc_t *s = source + v * source_stride, *t = target + v * target_stride;
    acc_t row = 0;
#pragma omp simd reduction(+ : row)
    for (int64_t i = 0; i < length; ++i) {
      const acc_t d = s[i] - t[i];
      row += d * d;
    }
    sum += row;
    if (sum >= limit) break;
  }
  return sum;
}

}  // namespace inpaintx::patchmatch
