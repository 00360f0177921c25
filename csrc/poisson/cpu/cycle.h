// One multigrid cycle: restrict the residual to the coarse grids, then climb, interpolating and smoothing. All
// smoothing is done on the way up: the residual of a smoothed error is what the next cycle restricts, and steps on the
// way down would need a pass of their own over each grid. The second coarse grid is visited twice, for what one visit
// leaves is smooth and only the grids from there on can see it; it costs a tenth more and in wide holes halves the
// error or better.
//
// A pass works row by row: as soon as a row's neighbors are there it takes the next step, and data leave the cache
// once. Steps are Jacobi's on the coarse grids, and on the photo's every second pixel's by turns (red-black), in any
// order of rows: a pass over blocks of rows in parallel, with the rows next to a block done by both sides, gives the
// same bits.
//
// Invariant: the number of blocks may depend on the threads, so no result may depend on the number of blocks. That
// holds since a row's next values are a function of its own and its neighbors' last ones, and sums of squares are kept
// by row.
#pragma once

#include <span>
#include <vector>

#include "poisson/grid/hierarchy.h"

namespace inpaintx::poisson {

// Arrays of the coarse grids for `channels` channels, by level; [0] is not used. What is known is 0 in all of them from
// the constructor on, and kernels, which read it as a neighbor, leave it so.
//   value     the correction, written by prolongation
//   rhs       the restricted residual, right-hand side of the level's equations
//   spare     at the level visited twice, the correction of the first visit
//   residual  there, what the first visit leaves of rhs
struct CoarseArrays {
  CoarseArrays() = default;
  CoarseArrays(const Hierarchy& hierarchy, int channels);
  size_t bytes() const;

  std::vector<Rows<float>> value, rhs;
  std::vector<Rows<float>> spare, residual;  // for second visits

 private:
  std::vector<Workspace> memory_;
};

// Solves the coarse equations for one cycle: rhs[1] in, value[1] out.
void solve_coarse(const Hierarchy& hierarchy, CoarseArrays& arrays);

// The finest grid's share of a cycle: v += P coarse, smoothing steps, then the residual, its norms, and its
// restriction; each of the three parts may be left out. `rhs` of a blend is zero: its data are values of v on known
// pixels.
template <class T>
struct PhotoGridPass {
  const Hierarchy* hierarchy;
  HalfRows<T> v;
  const HalfRows<T>* rhs;       // null: zero
  const Rows<float>* coarse;    // value[1], to be added to v before smoothing; null: v stays as it is
  const Rows<float>* residual;  // rhs[1], receives the restricted residual; null: nothing does
  bool zero_inside;             // v is zero in uniform spans
  double* norms;  // [h][channels], receives each row's sum of squared residuals; null with `residual`: nobody asks
  std::span<const float> omega;  // factors of over-relaxation, one each half-step; the last is 1
};

template <class T>
void smooth_photo_grid(const PhotoGridPass<T>& pass);

}  // namespace inpaintx::poisson
