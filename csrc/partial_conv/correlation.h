// What direct.cpp asks of correlation_kernel.h: one correlation, on plain pointers.
#pragma once

#include <cstdint>
#include <vector>

#include "common/mask.h"
#include "common/prefetch.h"

namespace inpaintx::partial_conv {

struct Planes {
  int64_t channels, height, width;
  bool channels_last;

  int64_t pixel_step() const { return channels_last ? channels : 1; }
  int64_t at(int64_t b, int64_t c, int64_t y, int64_t x) const {
    return b * channels * height * width + (y * width + x) * pixel_step() + c * (channels_last ? 1 : height * width);
  }
};

// A factor for each pixel, 0 where it is hidden: the ratio, or 1 where the mask shows a known pixel.
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

// The results (y, x) * spread + first of the whole picture, and the sources (y, x) * step + shift that each one sums.
struct Phase {
  struct Tap {
    int64_t shift[2], kernel[2];
  };
  int64_t first[2], rows, columns;
  std::vector<Tap> taps;
  std::vector<float> weight;  // [panel of results' channels][tap][source's channel][width of a panel]
};

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

struct ActiveTap {
  int64_t source, weight;  // floats from the tile's and the panel's start
};

struct Block {
  int64_t row, column, taps;
};

// Blocks side by side in which no result is asked for.
struct Run {
  int64_t row, rows, column, end;
};

// Scratch for one tile's work.
struct Scratch {
  std::vector<float> source, factors, straight;
  std::vector<int32_t> known;
  std::vector<ActiveTap> taps;
  std::vector<Block> blocks;
  std::vector<Run> skipped;
};

}  // namespace inpaintx::partial_conv
