// What the kernels of winograd.h work on: plain structs, for a table of functions that is compiled once for each
// instruction set (transforms.h) and called through pointers (Kernels). No torch types and no containers, so that no
// code of a wider instruction set leaks out through a shared instantiation.
//
// F(4 x 4, 3 x 3) as Lavin and Gray (2016) write it: Y = A^T [ (G g G^T) . (B^T d B) ] A. d is a 6 x 6 patch of
// sources, g a 3 x 3 window, Y a 4 x 4 tile of results; "terms" are the 36 values between the transforms.
#pragma once

#include <cstdint>

namespace inpaintx::winograd {

constexpr int64_t kTile = 4, kSeen = 6, kTerms = 36;  // results of a tile and sources along an axis; products of a tile
constexpr int64_t kSegment = 8;                       // tiles of a row that are transformed together, at most

// A batch of images [batch, channels, height, width], dense in one of the two orders of kernels that convolve:
// contiguous or channels_last. Tile (y, x) has its corner at (y, x) * kTile - lead; what a tile holds beyond the image
// reads as 0 and is not written.
//   data          owned by the caller; read through ImageView<const float>, written through ImageView<float>
//   lead          rows and columns of padding before the first pixel, 0 to 2
template <typename T>
struct ImageView {
  T* data;
  int64_t channels, height, width;
  bool channels_last;
  int64_t lead[2];
  // Of each pixel or null: what is read or written is multiplied by it, and 0 where it is, whatever the value.
  const float* factors;
  int64_t factor_image;  // from image to image
};

// Tiles side by side, the first of them the `first` of those that are worked on together.
struct Segment {
  int64_t image, y, x, count, first;
};

// What of each tile is summed up, by term, tile and channel; a step is what lies between two of them, in floats:
// element (term i, tile t, channel c) at data + i * term + t * tile + c / P * panel + c % P, where P, the channels of a
// panel, is two vectors. Channels follow each other within a panel.
struct Terms {
  float* data;
  int64_t term, tile, panel;
};

// sum[r][n] (+)= sum over l of left[r][l] * right[l][n], n in a panel; rows of `right` are one
struct Product {
  const float* left;
  int64_t left_row, left_step;
  const float* right;
  float* sum;
  int64_t sum_row;
  int64_t rows, length;
  bool add;
};

// For one instruction set.
struct Kernels {
  int64_t lanes, rows;  // a panel is two vectors; rows of a product that are summed up together, at most
  // Of a segment's tiles and `lanes` channels: the sources' terms; the results' gradients'; and the results from
  // theirs.
  void (*transform_input)(const ImageView<const float>&, const Segment&, int64_t channel, const Terms&);
  void (*transform_gradient)(const ImageView<const float>&, const Segment&, int64_t channel, const Terms&);
  void (*inverse_transform)(const ImageView<float>&, const Segment&, int64_t channel, const float* terms, int64_t term,
                            const float* bias);
  // Terms of the windows of a panel of results and of `count` sources, [kTerms][source][panel]. Windows lie 9 floats
  // apart from source to source and `apart` from result to result, or the other way round: then rotated by half a turn,
  // for the gradient of x. `lanes` of the panel are there, and nothing lies beyond `end`.
  void (*transform_filter)(const float* weight, int64_t apart, bool rotated, int64_t lanes, int64_t count,
                           const float* end, float* to, int64_t term);
  // The gradients of `count` windows that lie side by side, from those of their terms.
  void (*inverse_transform_filter)(const float* terms, int64_t term, int64_t count, float* weight);
  void (*multiply)(const Product&);
};

}  // namespace inpaintx::winograd
