// What direct.cpp asks of correlation_kernel.h: one correlation, on plain pointers,
//
//   result(r, y, x) = f_r(y, x) * sum over taps t and channels s of weight(r, s, t) * f_s * source(s, y', x') +
//   bias(r), (y', x') = (y, x) * step + shift(t),
//
// with factors f that are 0 where a pixel is hidden. It is the forward pass with sources x, factors from the mask, and
// results y, factors the ratio; and the gradient of x with the two exchanged. No torch types: this file is compiled
// into one namespace for each instruction set.
#pragma once

#include <cstdint>
#include <vector>

#include "common/mask.h"
#include "common/prefetch.h"

namespace inpaintx::partial_conv {

// The shape of an image tensor, and where its elements lie; see Image in kernels.h for the two orders.
struct Planes {
  int64_t channels, height, width;
  bool channels_last;

  int64_t pixel_step() const { return channels_last ? channels : 1; }
  int64_t at(int64_t b, int64_t c, int64_t y, int64_t x) const {
    return b * channels * height * width + (y * width + x) * pixel_step() + c * (channels_last ? 1 : height * width);
  }
};

// A factor for each pixel, 0 where it is hidden: the ratio as it is, or 1 where the mask shows a known pixel. Exactly
// one of ratio, soft and hard is set; [batch, channels, height, width], planes one after the other, batch and channels
// 1 where one serves all.
struct Factors {
  const float* ratio = nullptr;
  const float* soft = nullptr;  // the mask, of one of the two kinds
  const uint8_t* hard = nullptr;
  int64_t batch, channels, height, width;

  int64_t at(int64_t b, int64_t c, int64_t y, int64_t x) const {
    return (((batch == 1 ? 0 : b) * channels + (channels == 1 ? 0 : c)) * height + y) * width + x;
  }

  // Those of `count` pixels of a row, `step` apart (ratios have no step): where they lie, or else written to `room`.
  const float* row(int64_t b, int64_t c, int64_t y, int64_t x, int64_t count, int64_t step, float* room) const {
    const int64_t first = at(b, c, y, x);
    if (ratio != nullptr) return ratio + first;
    if (soft != nullptr) {
      for (int64_t i = 0; i < count; ++i) room[i] = is_hole(soft[first + i * step]) ? 0.0f : 1.0f;
    } else {
      for (int64_t i = 0; i < count; ++i) room[i] = is_hole(hard[first + i * step]) ? 0.0f : 1.0f;
    }
    return room;
  }
};

// A part of the results whose taps are the same: (y, x) * spread + first of the whole picture for y < rows, x <
// columns, and the sources (y, x) * step + shift that each one sums.
//   taps    shift: from (y, x) * step to the source; kernel: (ky, kx) of the weight that belongs to it
//   weight  repacked so that the inner loops read it from front to end: [panel of results' channels][tap][source's
//           channel][width of a panel], the last panel filled up with zeros
struct Phase {
  struct Tap {
    int64_t shift[2], kernel[2];
  };
  int64_t first[2], rows, columns;
  std::vector<Tap> taps;
  std::vector<float> weight;  // [panel of results' channels][tap][source's channel][width of a panel]
};

//   source, from      [batch, from.channels, from.height, from.width], read
//   source_factors    what is read is value * factor, or 0 where the factor is, whatever the value
//   result, to        [batch, to.channels, to.height, to.width], every element written
//   result_factors    what is written is sum * factor + bias, or 0 where the factor is
//   bias              [to.channels], or null
//   step              from the sources of a result to those of the next one, by axis
//   spread            from one result of a phase to the next one, by axis
// All memory is the caller's.
struct Correlation {
  const float* source;
  Planes from;
  Factors source_factors;  // what is read is value * factor, or 0 where the factor is
  float* result;
  Planes to;
  Factors result_factors;  // what is written is sum * factor + bias, or 0 where the factor is
  const float* bias;
  int64_t batch, step[2], spread[2];
  std::vector<Phase> phases;
};

// Long enough that a row of a tile is read at memory's speed, short enough that 16 of them and their channels fit a
// cache.
constexpr int64_t kTileColumns = 128;  // at most

// How the work is cut up, for one instruction set.
struct Plan {
  int64_t wide;           // results in a row of a block; 0: a block is of results' channels
  int64_t count, width;   // of a block's shorter side, in registers; of a panel of weights
  int64_t rows, columns;  // results of a tile, in each phase
  int64_t blocks;         // of a tile, at most
  int64_t down, across;   // tiles of an image
  int64_t least[2];       // the least shift of a tap
  int64_t seen[2];        // sources of a tile
  int64_t pitch, row;     // floats from column to column of sources that are `step` apart, and from row to row
};

// A tap that shows a known pixel to some result of a block: the others are left out of its sum, which is where a
// partial convolution is cheaper than a plain one.
struct ActiveTap {
  int64_t source, weight;  // floats from the tile's and the panel's start
};

// A block of results to be summed: its first row and column in the tile, and where its list of taps ends.
struct Block {
  int64_t row, column, taps;
};

// Blocks side by side in which no result is asked for.
struct Run {
  int64_t row, rows, column, end;
};

// Scratch for one tile's work, one a thread. Sized by direct.cpp before the kernels run: these write through plain
// pointers and never grow it, see the note on containers in correlation_kernel.h.
//   source     the tile's sources, times their factors: [row][channel][column % step][column / step]
//   factors    of a row of sources, in the same split
//   straight   of a row of sources, as they lie
//   known      of each row, how many of its first u pixels have a factor: a range is asked about by one subtraction
//   taps       the blocks' lists, one after the other
//   blocks     with results that are asked for
//   skipped    runs without, which are filled with zeros
struct Scratch {
  std::vector<float> source, factors, straight;
  std::vector<int32_t> known;
  std::vector<ActiveTap> taps;
  std::vector<Block> blocks;
  std::vector<Run> skipped;
};

}  // namespace inpaintx::partial_conv
