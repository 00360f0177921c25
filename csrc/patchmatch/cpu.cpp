// PatchMatch on the CPU: rounds of propagation (in raster order, then against it) and random search around the best
// match so far, with a radius that halves (Barnes et al. 2009, section 3.2). A pixel's best match never gets worse, and
// a difference is given up as soon as it reaches the best: most are after a row or two.
//
// Order of loops: images are shared by the threads, or an image's strips; in a strip, rounds are outermost, pixels in
// raster order within. That order is part of the result, since each pixel reads what its neighbor has just found: a
// loop over pixels must not be cut where strips are not.
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

// The search in rows [first, last) of an image, in exact serial order: a match that a pixel has found serves the next
// one at once. Nothing outside of them is read or written.
template <typename acc_t>
struct ImageSearch {
  const Search<acc_t>& a;
  const Candidates& candidates;
  const acc_t *source, *target;  // [height, width, channels] of this image
  const bool* where;             // null: all
  int32_t* nnf;
  float* cost;
  acc_t* best;  // sum of squared differences of each pixel's match
  int64_t first, last;

  INPAINTX_INLINE bool wanted(int64_t y, int64_t x) const { return !where || where[y * a.width + x]; }
  INPAINTX_INLINE int32_t* match(int64_t y, int64_t x) const { return nnf + (y * a.width + x) * 2; }
  INPAINTX_INLINE bool is_candidate(int64_t sy, int64_t sx) const {
    return sy >= 0 && sx >= 0 && sy < a.source_height && sx < a.source_width &&
           candidates.flag[sy * a.source_width + sx];
  }

  // Over the part of the window that lies inside the target.
  INPAINTX_INLINE acc_t distance(int64_t y, int64_t x, int64_t sy, int64_t sx, acc_t limit) const {
    const int64_t r = a.kernel_size / 2, c = a.channels, up = lesser(r, y), left = lesser(r, x);
    const int64_t rows = up + 1 + lesser(r, a.height - 1 - y), columns = left + 1 + lesser(r, a.width - 1 - x);
    return ssd(source + ((sy - up) * a.source_width + sx - left) * c, target + ((y - up) * a.width + x - left) * c,
               rows, columns * c, a.source_width * c, a.width * c, limit);
  }

  // Takes a match that is better by any amount; one that is as good stays, so that the first one found wins.
  INPAINTX_INLINE void attempt(int64_t y, int64_t x, int64_t sy, int64_t sx) const {
    int32_t* at = match(y, x);
    if (!is_candidate(sy, sx) || (at[0] == sy && at[1] == sx)) return;
    acc_t& least = best[y * a.width + x];
    const acc_t d = distance(y, x, sy, sx, least);
    if (!(d < least)) return;
    least = d;
    at[0] = static_cast<int32_t>(sy);
    at[1] = static_cast<int32_t>(sx);
  }

  // The given match where it is a candidate, else one at random.
  INPAINTX_INLINE void start(int64_t y, int64_t x) const {
    int32_t* at = match(y, x);
    if (!is_candidate(at[0], at[1])) {
      const auto count = static_cast<int64_t>(candidates.list.size());
      const int64_t pick = candidates.list[below(random_bits(a.seed, 0, y, x, 0), count)];
      at[0] = static_cast<int32_t>(pick / a.source_width);
      at[1] = static_cast<int32_t>(pick % a.source_width);
    }
    best[y * a.width + x] = distance(y, x, at[0], at[1], std::numeric_limits<acc_t>::infinity());
  }

  // What the neighbors before this pixel have found, moved along with it.
  INPAINTX_INLINE void propagate(int64_t y, int64_t x, int64_t step) const {
    const int64_t nx = x - step, ny = y - step;
    if (nx >= 0 && nx < a.width && wanted(y, nx)) attempt(y, x, match(y, nx)[0], match(y, nx)[1] + step);
    if (ny >= first && ny < last && wanted(ny, x)) attempt(y, x, match(ny, x)[0] + step, match(ny, x)[1]);
  }

  // Draws around the best match so far, from the whole image down to the pixels beside it.
  INPAINTX_INLINE void draw(int64_t y, int64_t x, int64_t round) const {
    const int64_t hs = a.source_height, ws = a.source_width, cy = match(y, x)[0], cx = match(y, x)[1];
    int64_t k = 0;
    for (int64_t radius = (hs > ws ? hs : ws); radius >= 1; radius /= 2, k += 2) {
      const int64_t sy = draw_within(random_bits(a.seed, round, y, x, k), cy, radius, hs);
      const int64_t sx = draw_within(random_bits(a.seed, round, y, x, k + 1), cx, radius, ws);
      attempt(y, x, sy, sx);
    }
  }

  INPAINTX_INLINE void write_cost(int64_t y, int64_t x) const {
    const int64_t r = a.kernel_size / 2;
    const int64_t rows = lesser(r, y) + 1 + lesser(r, a.height - 1 - y);
    const int64_t columns = lesser(r, x) + 1 + lesser(r, a.width - 1 - x);
    cost[y * a.width + x] = static_cast<float>(best[y * a.width + x] / static_cast<acc_t>(rows * columns));
  }

  // f(y, x) for the wanted pixels, in raster order or against it.
  template <typename F>
  INPAINTX_INLINE void each(bool forward, const F& f) const {
    for (int64_t i = first * a.width; i < last * a.width; ++i) {
      const int64_t at = forward ? i : (first + last) * a.width - 1 - i, y = at / a.width, x = at % a.width;
      if (wanted(y, x)) f(y, x);
    }
  }
};

// Round 0 gives each pixel a match to begin with, the one after the last writes what the matches cost.
template <typename acc_t>
INPAINTX_INLINE void search_rows(const Search<acc_t>& a, int64_t b, const Candidates& candidates, int64_t round,
                                 int64_t first, int64_t last, acc_t* best) {
  const int64_t pixels = a.height * a.width;
  const ImageSearch<acc_t> s{a,
                             candidates,
                             a.source + b * a.source_height * a.source_width * a.channels,
                             a.target + b * pixels * a.channels,
                             a.where ? a.where + b * pixels : nullptr,
                             a.nnf + b * pixels * 2,
                             a.cost + b * pixels,
                             best,
                             first,
                             last};
  if (round == 0) {
    s.each(true, [&](int64_t y, int64_t x) __attribute__((always_inline)) { s.start(y, x); });
  } else if (round > a.iterations) {
    s.each(true, [&](int64_t y, int64_t x) __attribute__((always_inline)) { s.write_cost(y, x); });
  } else {
    const int64_t step = round % 2 ? 1 : -1;  // odd rounds run down and to the right, even ones back
    s.each(step > 0, [&](int64_t y, int64_t x) __attribute__((always_inline)) {
      s.propagate(y, x, step);
      s.draw(y, x, round);
    });
  }
}

INPAINTX_CLONES void rows_of(const Search<float>& a, int64_t b, const Candidates& candidates, int64_t round,
                             int64_t first, int64_t last, float* best) {
  search_rows(a, b, candidates, round, first, last, best);
}
INPAINTX_CLONES void rows_of(const Search<double>& a, int64_t b, const Candidates& candidates, int64_t round,
                             int64_t first, int64_t last, double* best) {
  search_rows(a, b, candidates, round, first, last, best);
}

// All rounds over an image: whole, or in strips of rows that threads share. Every other round the strips begin half a
// strip higher, so that matches spread from one to the next.
template <typename acc_t>
void search_image(const Search<acc_t>& a, int64_t b, const Candidates& candidates, acc_t* best) {
  const int64_t strip = a.strip > 0 ? a.strip : a.height;
  for (int64_t round = 0; round <= a.iterations + 1; ++round) {
    const int64_t shift = round % 2 || strip >= a.height ? 0 : strip / 2;
    parallel_for(0, (a.height + shift + strip - 1) / strip, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        const int64_t first = s * strip - shift, last = lesser(first + strip, a.height);
        rows_of(a, b, candidates, round, first < 0 ? 0 : first, last, best);
      }
    });
  }
}

}  // namespace

template <typename acc_t>
void search(const Search<acc_t>& a) {
  const int64_t pixels = a.height * a.width;
  const int64_t grain = a.strip > 0 ? a.batch : 1;  // in strips, an image is what threads share
  parallel_for(0, a.batch, grain, [&](int64_t begin, int64_t end) {
    std::vector<acc_t> best(pixels);
    for (int64_t b = begin; b < end; ++b) {
      const int64_t source_pixels = a.source_height * a.source_width;
      const Candidates c = candidates_of(a.valid + b * source_pixels, a.source_height, a.source_width, a.kernel_size);
      for (int64_t i = b * pixels; i < (b + 1) * pixels; ++i) {
        if (c.list.empty() || (a.where && !a.where[i])) a.nnf[2 * i] = a.nnf[2 * i + 1] = -1;
        a.cost[i] = std::numeric_limits<float>::infinity();
      }
      if (!c.list.empty()) search_image(a, b, c, best.data());
    }
  });
}

template void search(const Search<float>&);
template void search(const Search<double>&);

}  // namespace inpaintx::patchmatch::cpu
