// Structural similarity under a Gaussian window (Wang et al. 2004, eq. 13), declared once for both backends.
//
// Windows lie inside the image: a map of similarities has (height - window + 1) x (width - window + 1) values. With
// weights w the moments are those of a normalized convolution, sum g w x / sum g w, and a window whose sum g w is below
// 1e-3 is left out; what x and y hold where w is 0 does not matter, NaN included. The value of an image is the mean
// over windows and channels, each window weighted by w at its center. acc_t is float, or double for float64 images.
#pragma once

#include <cstdint>

#include "common/inline.h"
#include "common/stream.h"

namespace inpaintx::ssim {

constexpr int64_t kMostWindow = 511;  // so that kernels take half a Gaussian of doubles by value

template <typename acc_t, typename scalar_t = acc_t>
// All arrays are contiguous, the caller's, and read only. scalar_t: the images' dtype; on the CPU that of the
// arithmetic.
struct Images {
  const scalar_t* x;  // [batch, channels, height, width]
  const scalar_t* y;
  const acc_t* weight;  // [weight_batch, height, width], or null: all pixels count alike
  int64_t batch, channels, height, width, weight_batch, window;
  acc_t per_range;                           // 1 / data range
  acc_t half_gaussian[kMostWindow / 2 + 1];  // from the edge to the center; the whole window sums to 1

  INPAINTX_HD acc_t gaussian(int64_t k) const { return half_gaussian[k <= window / 2 ? k : window - 1 - k]; }
  INPAINTX_HD int64_t out_height() const { return height - window + 1; }
  INPAINTX_HD int64_t out_width() const { return width - window + 1; }
};

//   value  [batch], written: mean similarity, 1 where no window counts
//   total  [batch], written: weight of the windows that count
template <typename acc_t, typename scalar_t = acc_t>
struct Forward {
  Images<acc_t, scalar_t> images;
  acc_t *value, *total;
};

//   scale   [batch], read: the value's gradient / (channels * total), 0 where no window counts
//   grad_x  [batch, channels, height, width], contiguous, written
//   grad_y  the same, or null where it is not wanted
template <typename acc_t, typename scalar_t = acc_t>
struct Backward {
  Images<acc_t, scalar_t> images;
  const acc_t* scale;
  scalar_t *grad_x, *grad_y;
};

namespace cpu {
template <typename acc_t>
void mean_similarity(const Forward<acc_t>&);
template <typename acc_t>
void mean_similarity_backward(const Backward<acc_t>&);
}  // namespace cpu

namespace cuda {
constexpr int64_t kTileSide = 32;  // windows, or pixels, that a block of threads takes each way

INPAINTX_HD int64_t tiles_along(int64_t size) { return (size + kTileSide - 1) / kTileSide; }
// Tiles of an image's windows, over all channels.
template <typename acc_t, typename scalar_t>
INPAINTX_HD int64_t parts_of(const Images<acc_t, scalar_t>& a) {
  return a.channels * tiles_along(a.out_height()) * tiles_along(a.out_width());
}

// Scratch: sums [batch, 2, parts_of(images)]; slopes [3, batch, channels, out_height, out_width], 4 with grad_y.
template <typename acc_t, typename scalar_t>
void mean_similarity(const Forward<acc_t, scalar_t>&, acc_t* sums, Stream);
template <typename acc_t, typename scalar_t>
void mean_similarity_backward(const Backward<acc_t, scalar_t>&, acc_t* slopes, Stream);
}  // namespace cuda

}  // namespace inpaintx::ssim
