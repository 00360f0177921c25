// Texture synthesis by non-parametric sampling: the windows of an image whose centers may be copied.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace inpaintx::efros_leung {

// Neighbouring centers of windows on one row, from one that is fully known.
struct Block {
  int64_t first, count;  // pixel index, and how many belong to this block; of these the flags tell the candidates
};

// Flags of the centers of windows that lie inside the image and have no hole pixel.
inline std::vector<uint8_t> candidates_of(const bool* hole, int64_t height, int64_t width, int64_t window) {
  const int64_t r = window / 2;
  std::vector<uint8_t> flag(height * width, 0);
  std::vector<int64_t> column(width, 0);  // rows up to here without a hole
  for (int64_t y = 0; y < height; ++y) {
    int64_t run = 0;
    for (int64_t x = 0; x < width; ++x) {
      column[x] = hole[y * width + x] ? 0 : column[x] + 1;
      run = column[x] >= window ? run + 1 : 0;
      if (run >= window) flag[(y - r) * width + x - r] = 1;
    }
  }
  return flag;
}

// Flags of the known pixels whose window lies inside the image, whatever else is in it.
inline std::vector<uint8_t> centres_of(const bool* hole, int64_t height, int64_t width, int64_t window) {
  const int64_t r = window / 2;
  std::vector<uint8_t> flag(height * width, 0);
  for (int64_t y = r; y < height - r; ++y) {
    for (int64_t x = r; x < width - r; ++x) flag[y * width + x] = !hole[y * width + x];
  }
  return flag;
}

// Rows and columns, without the last ones.
struct Range {
  int64_t top, left, bottom, right;
  bool has(int64_t y, int64_t x) const { return y >= top && y < bottom && x >= left && x < right; }
};

// Blocks of at most `most` centers that together have all the flags of a range, in raster order.
inline void blocks_of(const std::vector<uint8_t>& flag, const Range& range, int64_t width, int64_t most,
                      std::vector<Block>& blocks) {
  blocks.clear();
  for (int64_t y = range.top; y < range.bottom; ++y) {
    for (int64_t x = range.left; x < range.right; ++x) {
      if (!flag[y * width + x]) continue;
      blocks.push_back({y * width + x, std::min(most, range.right - x)});
      x += most - 1;
    }
  }
}

}  // namespace inpaintx::efros_leung
