// Total variation on the CPU. The problem of a channel is
//
//   minimize sum |grad u|  over u on the hole,  u known elsewhere  (isotropic, forward differences),
//
// solved by Chambolle and Pock's primal-dual iteration (math.h), which takes no derivative of |grad u| and so needs no
// smoothing of it. What makes it quick: a pyramid, for a flat region grows by one pixel a step, and the box around the
// hole, outside which nothing changes. It ends by the primal-dual gap, which bounds how far the energy is from the
// least: a small change from step to step would not.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "tv/kernels.h"
#include "tv/math.h"

namespace inpaintx::tv::cpu {
namespace {

// Dual step for values of unit range: of 0.5 to 32, those near 1.5 close the gap soonest on a face with a 30 % hole.
constexpr double kSigma = 1.5;

// One channel of one image at one size.
template <typename acc_t>
struct Plane {
  int64_t height = 0, width = 0;
  std::vector<acc_t> u;
  std::vector<uint8_t> hole;
};

// Half the size; a pixel is the mean of those of its four that are known, and a hole where none is.
template <typename acc_t>
Plane<acc_t> halved(const Plane<acc_t>& fine) {
  Plane<acc_t> coarse{(fine.height + 1) / 2, (fine.width + 1) / 2, {}, {}};
  coarse.u.assign(coarse.height * coarse.width, acc_t(0));
  coarse.hole.assign(coarse.height * coarse.width, 1);
  for (int64_t y = 0; y < coarse.height; ++y) {
    for (int64_t x = 0; x < coarse.width; ++x) {
      acc_t sum = 0;
      int known = 0;
      for (int64_t v = 2 * y; v < std::min(2 * y + 2, fine.height); ++v) {
        for (int64_t w = 2 * x; w < std::min(2 * x + 2, fine.width); ++w) {
          if (fine.hole[v * fine.width + w]) continue;
          sum += fine.u[v * fine.width + w];
          ++known;
        }
      }
      if (!known) continue;
      coarse.u[y * coarse.width + x] = sum / static_cast<acc_t>(known);
      coarse.hole[y * coarse.width + x] = 0;
    }
  }
  return coarse;
}

// Bilinear interpolation of the coarse plane at the hole pixels of the fine one.
template <typename acc_t>
void interpolate(const Plane<acc_t>& coarse, Plane<acc_t>& fine) {
  for (int64_t y = 0; y < fine.height; ++y) {
    const int64_t y0 = y / 2, y1 = std::clamp<int64_t>(y % 2 ? y0 + 1 : y0 - 1, 0, coarse.height - 1);
    for (int64_t x = 0; x < fine.width; ++x) {
      if (!fine.hole[y * fine.width + x]) continue;
      const int64_t x0 = x / 2, x1 = std::clamp<int64_t>(x % 2 ? x0 + 1 : x0 - 1, 0, coarse.width - 1);
      const acc_t *near = coarse.u.data() + y0 * coarse.width, *far = coarse.u.data() + y1 * coarse.width;
      fine.u[y * fine.width + x] = (9 * near[x0] + 3 * near[x1] + 3 * far[x0] + far[x1]) / acc_t(16);
    }
  }
}

// The box around the hole and its boundary, with one row and column of zeros beyond on every side, so that differences
// need no test for an edge. All arrays are [height + 2][stride].
//   top, left     of the box in the plane
//   low, high     range of the boundary's values
//   u, bar        the primal iterate and its extrapolation
//   px, py        the dual one: of the differences to the right and down
//   right, down   1 where such a difference counts, else 0
//   hole          1 or 0, as numbers, so that the loops select by multiplication
template <typename acc_t>
struct Grid {
  int64_t top, left, height, width, stride;
  acc_t low, high;
  std::vector<acc_t> u, bar, px, py, right, down, hole;

  int64_t at(int64_t y, int64_t x) const { return (y - top + 1) * stride + x - left + 1; }
};

template <typename acc_t>
Grid<acc_t> grid_of(const Plane<acc_t>& plane) {
  int64_t top = plane.height, bottom = -1, left = plane.width, right = -1;
  for (int64_t y = 0; y < plane.height; ++y) {
    for (int64_t x = 0; x < plane.width; ++x) {
      if (!plane.hole[y * plane.width + x]) continue;
      top = std::min(top, y), bottom = y, left = std::min(left, x), right = std::max(right, x);
    }
  }
  Grid<acc_t> g{};
  if (bottom < 0) return g;
  g.top = std::max<int64_t>(0, top - 1), g.left = std::max<int64_t>(0, left - 1);
  g.height = std::min(bottom + 2, plane.height) - g.top, g.width = std::min(right + 2, plane.width) - g.left;
  g.stride = g.width + 2;
  for (auto* v : {&g.u, &g.bar, &g.px, &g.py, &g.right, &g.down, &g.hole}) {
    v->assign((g.height + 2) * g.stride, acc_t(0));
  }
  g.low = std::numeric_limits<acc_t>::infinity(), g.high = -g.low;
  const auto is_hole = [&](int64_t y, int64_t x) {
    return y < plane.height && x < plane.width && plane.hole[y * plane.width + x];
  };
  for (int64_t y = g.top; y < g.top + g.height; ++y) {
    for (int64_t x = g.left; x < g.left + g.width; ++x) {
      const int64_t i = g.at(y, x);
      const bool active = is_hole(y, x) || is_hole(y, x + 1) || is_hole(y + 1, x);
      g.u[i] = plane.u[y * plane.width + x];
      g.hole[i] = is_hole(y, x) ? acc_t(1) : acc_t(0);
      g.right[i] = active && x + 1 < plane.width ? acc_t(1) : acc_t(0);
      g.down[i] = active && y + 1 < plane.height ? acc_t(1) : acc_t(0);
      if (is_hole(y, x)) continue;
      g.low = std::min(g.low, g.u[i]);  // a minimiser lies between the boundary's values: no overshoot is lost by it
      g.high = std::max(g.high, g.u[i]);
    }
  }
  return g;
}

template <typename acc_t>
// `count` iterations over the whole box, a row at a time: a row's dual step needs bar of the row itself and of the one
// below it, both of the iteration before, and its primal step the dual rows of this one and the one above, both new. So
// one sweep does both steps, with the same values as one over the plane after the other.
INPAINTX_INLINE void iterate(Grid<acc_t>& g, acc_t tau, acc_t sigma, int64_t count) {
  const int64_t s = g.stride;
  const acc_t low = g.low, high = g.high;
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t y = 1; y <= g.height; ++y) {  // the primal row follows its dual row: the next one reads bar below it
      acc_t *u = g.u.data() + y * s, *bar = g.bar.data() + y * s;
      acc_t *px = g.px.data() + y * s, *py = g.py.data() + y * s;
      const acc_t *right = g.right.data() + y * s, *down = g.down.data() + y * s, *hole = g.hole.data() + y * s;
#pragma omp simd
      for (int64_t x = 1; x <= g.width; ++x) {
        acc_t a = px[x] + sigma * right[x] * (bar[x + 1] - bar[x]);
        acc_t b = py[x] + sigma * down[x] * (bar[x + s] - bar[x]);
        to_ball(a, b);
        px[x] = a;
        py[x] = b;
      }
#pragma omp simd
      for (int64_t x = 1; x <= g.width; ++x) {
        primal(u[x], bar[x], px[x] - px[x - 1] + py[x] - py[x - s], hole[x], tau, low, high);
      }
    }
  }
}

INPAINTX_CLONES void iterations(Grid<float>& g, float tau, float sigma, int64_t count) {
  iterate(g, tau, sigma, count);
}
INPAINTX_CLONES void iterations(Grid<double>& g, double tau, double sigma, int64_t count) {
  iterate(g, tau, sigma, count);
}

struct Bounds {
  double primal, dual;
};

// Energy of u, and the dual bound below it. With every hole value confined to [low, high] the dual function is finite:
//   D(p) = sum over known pixels of -f div p + sum over hole pixels of min(-low div p, -high div p).
template <typename acc_t>
// In double: near the end the gap is a small difference of two large sums.
Bounds bounds_of(const Grid<acc_t>& g) {
  Bounds b{0, 0};
  const int64_t s = g.stride;
  for (int64_t y = 1; y <= g.height; ++y) {
    for (int64_t i = y * s + 1; i <= y * s + g.width; ++i) {
      const double dx = g.right[i] * (double(g.u[i + 1]) - g.u[i]), dy = g.down[i] * (double(g.u[i + s]) - g.u[i]);
      b.primal += std::sqrt(dx * dx + dy * dy);
      const double inflow = double(g.px[i - 1]) - g.px[i] + g.py[i - s] - g.py[i];
      b.dual += g.hole[i] != 0 ? std::min(g.low * inflow, g.high * inflow) : g.u[i] * inflow;
    }
  }
  return b;
}

// Iterates from the plane's values; leaves the iterate of least energy seen, so never a worse one than the start.
template <typename acc_t>
void minimise(Plane<acc_t>& plane, double tol, int64_t max_iter) {
  Grid<acc_t> g = grid_of(plane);
  if (g.height == 0 || !(g.high > g.low)) {
    if (g.height != 0 && g.high == g.low) {
      for (size_t i = 0; i < plane.hole.size(); ++i) plane.u[i] = plane.hole[i] ? g.low : plane.u[i];
    }
    return;
  }
  for (size_t i = 0; i < g.u.size(); ++i) {
    if (g.hole[i] != 0) g.u[i] = std::clamp(g.u[i], g.low, g.high);
  }
  g.bar = g.u;
  for (int64_t y = 1; y <= g.height; ++y) {  // the dual start: the direction of the start's gradient
    for (int64_t i = y * g.stride + 1; i <= y * g.stride + g.width; ++i) {
      const acc_t dx = g.right[i] * (g.u[i + 1] - g.u[i]), dy = g.down[i] * (g.u[i + g.stride] - g.u[i]);
      const acc_t norm = std::sqrt(dx * dx + dy * dy);
      g.px[i] = norm > acc_t(0) ? dx / norm : acc_t(0);
      g.py[i] = norm > acc_t(0) ? dy / norm : acc_t(0);
    }
  }
  // tau sigma |grad|^2 <= 1 with |grad|^2 <= 8. Hole values move over the range of the boundary's values, dual ones
  // over 1.
  const acc_t sigma = acc_t(kSigma) / (g.high - g.low), tau = acc_t(0.999) / (acc_t(8) * sigma);
  std::vector<acc_t> best = g.u;
  Bounds b = bounds_of(g);
  double least = b.primal, greatest = b.dual;
  constexpr int64_t check = 50;
  for (int64_t done = 0; done < max_iter && least - greatest > tol * least;) {
    const int64_t count = std::min(check, max_iter - done);
    iterations(g, tau, sigma, count);
    done += count;
    b = bounds_of(g);
    greatest = std::max(greatest, b.dual);
    if (b.primal < least) {
      least = b.primal;
      best = g.u;
    }
  }
  for (int64_t y = g.top; y < g.top + g.height; ++y) {
    for (int64_t x = g.left; x < g.left + g.width; ++x) {
      if (plane.hole[y * plane.width + x]) plane.u[y * plane.width + x] = best[g.at(y, x)];
    }
  }
}

template <typename acc_t>
// Down to a plane without a hole (a coarse pixel is one only where all of its finer ones are), then up again.
void solve(Plane<acc_t>& plane, double tol, int64_t max_iter) {
  if (std::none_of(plane.hole.begin(), plane.hole.end(), [](uint8_t h) { return h; })) return;
  Plane<acc_t> coarse = halved(plane);
  solve(coarse, tol, max_iter);
  interpolate(coarse, plane);
  minimise(plane, tol, max_iter);
}

}  // namespace

template <typename acc_t>
void minimize(const Problem<acc_t>& a) {
  const int64_t pixels = a.height * a.width;
  parallel_for(0, a.batch * a.channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const acc_t* image = a.image + i * pixels;
      const bool* hole = a.hole + i / a.channels * pixels;
      acc_t* out = a.out + i * pixels;
      Plane<acc_t> plane{a.height, a.width, {image, image + pixels}, {hole, hole + pixels}};
      if (std::all_of(hole, hole + pixels, [](bool h) { return h; })) {
        std::fill_n(plane.u.begin(), pixels, acc_t(0.5));  // nothing is known: mid-grey
      } else {
        for (int64_t k = 0; k < pixels; ++k) plane.u[k] = hole[k] ? acc_t(0) : plane.u[k];
        solve(plane, a.tol, a.max_iter);
      }
      for (int64_t k = 0; k < pixels; ++k) out[k] = hole[k] ? plane.u[k] : image[k];
    }
  });
}

template void minimize(const Problem<float>&);
template void minimize(const Problem<double>&);

}  // namespace inpaintx::tv::cpu
