// Histograms of oriented gradients (Dalal and Triggs 2005), declared once for both backends.
//
// The gradient of a pixel is [-1, 0, 1] along each axis, zero at the outer rows and columns, of the channel where it is
// largest. A cell is `cell` x `cell` pixels and holds a histogram of `bins` unsigned orientations, averaged over its
// pixels; what lies beyond the last whole cell is read only as a neighbor. A block is `block` x `block` cells,
// normalized by L2-Hys: v / sqrt(|v|^2 + 1e-10), cut at `clip`, and normalized again. Pixels vote for one bin, without
// the paper's interpolation between bins and cells: as scikit-image does, whose values the tests compare with.
#pragma once

#include <cstdint>

#include "common/inline.h"
#include "common/stream.h"

namespace inpaintx::hog {

template <typename acc_t, typename scalar_t = acc_t>
// acc_t is float, or double for float64 images; scalar_t the dtype of images and results, on the CPU that of the
// arithmetic. Arrays are contiguous and the caller's; x is read, the others are written in whole.
struct Hog {
  const scalar_t* x;  // [batch, channels, height, width]
  scalar_t* cells;    // [batch, cells_y, cells_x, bins], each cell averaged over the blocks that contain it
  scalar_t* blocks;   // [batch, blocks_y, blocks_x, block, block, bins], L2-Hys normalized
  int64_t batch, channels, height, width;
  int64_t cell, block, bins;
  double clip;
  acc_t* raw = nullptr;    // CUDA, scratch: [batch, cells_y, cells_x, bins], histograms before normalization
  acc_t* norms = nullptr;  // CUDA, scratch: [batch, blocks_y, blocks_x, 2], of a block's values, and of the cut ones

  INPAINTX_HD int64_t cells_y() const { return height / cell; }
  INPAINTX_HD int64_t cells_x() const { return width / cell; }
  INPAINTX_HD int64_t blocks_y() const { return cells_y() - block + 1; }
  INPAINTX_HD int64_t blocks_x() const { return cells_x() - block + 1; }
};

namespace cpu {
template <typename acc_t>
void histograms(const Hog<acc_t>&);
}

namespace cuda {
template <typename acc_t, typename scalar_t>
void histograms(const Hog<acc_t, scalar_t>&, Stream);
}

}  // namespace inpaintx::hog
