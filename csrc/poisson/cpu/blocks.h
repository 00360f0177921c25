// What the passes over the finest and the coarse grids share: blocks of rows in parallel, rows in flight, and the way
// from one grid to the next.
#pragma once

#include <algorithm>

#include "common/parallel.h"
#include "common/prefetch.h"
#include "poisson/grid/rows.h"

namespace inpaintx::poisson {

constexpr int kSlots = 4;  // rows that a stage keeps: three that the next one reads and the one being written
constexpr int kAhead = 2;  // rows from the one that is fetched to the one that is worked on
// Values of a grid that stays in one thread. A pass over them takes about a tenth of a millisecond, and a solve has
// some tens of passes: beside a busy process each would wait for a second thread longer than it works.
constexpr int64_t kSmall = 256 << 10;

inline int blocks_for(const Level& level, int channels) {
  if (level.pixels * channels < kSmall) return 1;
  return std::max(1, std::min(available_threads(), level.h / 16));
}

// Block b of n; blocks start at even rows, where coarse rows lie.
inline int block_start(int h, int b, int n) { return b == n ? h : int(int64_t(h) * b / n) / 2 * 2; }

template <class Block>
void over_blocks(int h, int blocks, const Block& block) {
  if (blocks == 1) return block(0, h, 0);
  parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int b = begin; b < end; ++b) block(block_start(h, b, blocks), block_start(h, b + 1, blocks), b);
  });
}

// Rows of the stages in flight: slot y mod 4 of stage k.
template <class T>
// Stages run one row behind each other: while stage k writes row y, stage k + 1 writes row y - 1 from rows y - 2 .. y
// of stage k. So four rows a stage are enough, and a pass of any number of steps needs a few rows of memory.
struct Ring {
  T* data;
  int64_t stride;
  int channels;
  T* at(int stage, int y, int c) const {
    return data + ((int64_t(stage) * kSlots + (y & (kSlots - 1))) * channels + c) * stride + kPad;
  }
};

// Beyond the photo's edge a pixel stands in for its missing neighbor.
template <class T>
INPAINTX_INLINE void mirror_ends(T* row, int w) {
  row[-1] = row[0];
  row[w] = row[w - 1];
}

// The same of a row in halves.
template <class T>
INPAINTX_INLINE void mirror_ends(T* even, int64_t half, int w) {
  T* odd = even + half;
  odd[-1] = even[0];
  if (w % 2)
    odd[w / 2] = even[w / 2];
  else
    even[w / 2] = odd[w / 2 - 1];
}

// Line of interpolated values for the pixels of a span of row y.
INPAINTX_INLINE void interpolate(const Rows<float>& coarse, int coarse_h, int y, int c, const Span& span, float* line) {
  const float* a = coarse.at(y / 2, c) + span.x0 / 2;
  const float* b = y % 2 == 1 && y / 2 + 1 < coarse_h ? coarse.at(y / 2 + 1, c) + span.x0 / 2 : nullptr;
  interpolate_row(line, a, b, (span.x1 - span.x0) / 2);
}

}  // namespace inpaintx::poisson
