#include <algorithm>
#include <limits>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "patchmatch/kernels.h"
#include "patchmatch/math.h"

namespace inpaintx::patchmatch::cpu {
namespace {

// Source pixels whose whole patch lies inside the image and is valid: as flags, and as a list in raster order.
struct Candidates {
  std::vector<uint8_t> flag;
  std::vector<int32_t> list;
};

Candidates candidates_of(const bool* valid, int64_t height, int64_t width, int64_t patch) {
  const int64_t r = patch / 2;
  Candidates c;
  c.flag.assign(height * width, 0);
  std::vector<int64_t> below_valid(width, 0);  // how many rows up to here are valid without a gap
  for (int64_t y = 0; y < height; ++y) {
    int64_t run = 0;  // how many columns up to here are valid over `patch` rows without a gap
    for (int64_t x = 0; x < width; ++x) {
      below_valid[x] = valid[y * width + x] ? below_valid[x] + 1 : 0;
      run = below_valid[x] >= patch ? run + 1 : 0;
      if (run >= patch) c.flag[(y - r) * width + x - r] = 1;
    }
  }
  for (int64_t i = 0; i < height * width; ++i) {
    if (c.flag[i]) c.list.push_back(static_cast<int32_t>(i));
  }
  return c;
}

// One image, in exact serial order.
template <typename acc_t>
INPAINTX_INLINE void search_image(const Search<acc_t>& a, int64_t b, const Candidates& candidates, acc_t* best) {
  const int64_t h = a.height, w = a.width, hs = a.source_height, ws = a.source_width, c = a.channels;
  const int64_t r = a.kernel_size / 2;
  const acc_t *source = a.source + b * hs * ws * c, *target = a.target + b * h * w * c;
  const bool* where = a.where ? a.where + b * h * w : nullptr;
  int32_t* nnf = a.nnf + b * h * w * 2;
  const uint8_t* flag = candidates.flag.data();

  const auto distance = [&](int64_t y, int64_t x, int64_t sy, int64_t sx, acc_t limit) __attribute__((always_inline)) {
    const int64_t up = lesser(r, y), left = lesser(r, x);  // only pixels inside the target image count
    const int64_t rows = up + 1 + lesser(r, h - 1 - y), columns = left + 1 + lesser(r, w - 1 - x);
    return ssd(source + ((sy - up) * ws + sx - left) * c, target + ((y - up) * w + x - left) * c, rows, columns * c,
               ws * c, w * c, limit);
  };
  const auto attempt = [&](int64_t y, int64_t x, int64_t sy, int64_t sx) __attribute__((always_inline)) {
    if (sy < 0 || sx < 0 || sy >= hs || sx >= ws || !flag[sy * ws + sx]) return;
    int32_t* at = nnf + (y * w + x) * 2;
    if (at[0] == sy && at[1] == sx) return;
    const acc_t d = distance(y, x, sy, sx, best[y * w + x]);
    if (d < best[y * w + x]) {
      best[y * w + x] = d;
      at[0] = static_cast<int32_t>(sy);
      at[1] = static_cast<int32_t>(sx);
    }
  };

  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      if (where && !where[y * w + x]) continue;
      int32_t* at = nnf + (y * w + x) * 2;
      const bool usable = at[0] >= 0 && at[1] >= 0 && at[0] < hs && at[1] < ws && flag[at[0] * ws + at[1]];
      if (!usable) {
        const int64_t pick =
            candidates.list[below(random_bits(a.seed, 0, y, x, 0), static_cast<int64_t>(candidates.list.size()))];
        at[0] = static_cast<int32_t>(pick / ws);
        at[1] = static_cast<int32_t>(pick % ws);
      }
      best[y * w + x] = distance(y, x, at[0], at[1], std::numeric_limits<acc_t>::infinity());
    }
  }
  for (int64_t iter = 1; iter <= a.iterations; ++iter) {
    const int64_t step = iter % 2 ? 1 : -1;  // odd rounds run down and to the right, even ones back
    for (int64_t i = 0; i < h * w; ++i) {
      const int64_t at = step > 0 ? i : h * w - 1 - i, y = at / w, x = at % w;
      if (where && !where[at]) continue;
      const int64_t nx = x - step, ny = y - step;
      if (nx >= 0 && nx < w && (!where || where[y * w + nx])) {
        const int32_t* from = nnf + (y * w + nx) * 2;
        attempt(y, x, from[0], from[1] + step);
      }
      if (ny >= 0 && ny < h && (!where || where[ny * w + x])) {
        const int32_t* from = nnf + (ny * w + x) * 2;
        attempt(y, x, from[0] + step, from[1]);
      }
      const int64_t cy = nnf[at * 2], cx = nnf[at * 2 + 1];
      int64_t k = 0;
      for (int64_t radius = (hs > ws ? hs : ws); radius >= 1; radius /= 2, k += 2) {
        const int64_t sy = draw_within(random_bits(a.seed, iter, y, x, k), cy, radius, hs);
        const int64_t sx = draw_within(random_bits(a.seed, iter, y, x, k + 1), cx, radius, ws);
        attempt(y, x, sy, sx);
      }
    }
  }
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      if (where && !where[y * w + x]) continue;
      const int64_t rows = lesser(r, y) + 1 + lesser(r, h - 1 - y);
      const int64_t columns = lesser(r, x) + 1 + lesser(r, w - 1 - x);
      a.cost[b * h * w + y * w + x] = static_cast<float>(best[y * w + x] / static_cast<acc_t>(rows * columns));
    }
  }
}

INPAINTX_CLONES void image_of(const Search<float>& a, int64_t b, const Candidates& candidates, float* best) {
  search_image(a, b, candidates, best);
}
INPAINTX_CLONES void image_of(const Search<double>& a, int64_t b, const Candidates& candidates, double* best) {
  search_image(a, b, candidates, best);
}

}  // namespace

template <typename acc_t>
void search(const Search<acc_t>& a) {
  const int64_t pixels = a.height * a.width;
  parallel_for(0, a.batch, 1, [&](int64_t begin, int64_t end) {
    std::vector<acc_t> best(pixels);
    for (int64_t b = begin; b < end; ++b) {
      const int64_t source_pixels = a.source_height * a.source_width;
      const Candidates c = candidates_of(a.valid + b * source_pixels, a.source_height, a.source_width, a.kernel_size);
      for (int64_t i = b * pixels; i < (b + 1) * pixels; ++i) {
        if (c.list.empty() || (a.where && !a.where[i])) a.nnf[2 * i] = a.nnf[2 * i + 1] = -1;
        a.cost[i] = std::numeric_limits<float>::infinity();
      }
      if (!c.list.empty()) image_of(a, b, c, best.data());
    }
  });
}

template void search(const Search<float>&);
template void search(const Search<double>&);

}  // namespace inpaintx::patchmatch::cpu
