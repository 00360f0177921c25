// One multigrid cycle: restrict the residual to the coarse grids, then climb, interpolating and smoothing. All
// smoothing is done on the way up. The larger coarse grids but the first are visited twice (a W-cycle), for what one
// visit leaves is smooth and only they can see it; it costs a sixth more and the error falls twice as fast. A pass
// works row by row: as soon as a row's neighbours are there it takes the next step, and data leave the cache once.
// Steps are Jacobi's, in any order of rows: a pass over blocks of rows in parallel, with the rows next to a block done
// by both sides, gives the same bits.
#pragma once

#include <vector>

#include "poisson/hierarchy.h"

namespace inpaintx::poisson {

constexpr int kMostSteps = 6;

// Damping factors of `steps` (at most kMostSteps) Jacobi steps: Chebyshev points of [low, high], the part of the
// spectrum to be smoothed.
std::vector<float> chebyshev(int steps, double low, double high);

// Arrays of the coarse grids for `channels` channels.
struct CoarseArrays {
  CoarseArrays() = default;
  CoarseArrays(const Hierarchy& hierarchy, int channels);
  size_t bytes() const;

  std::vector<Rows<float>> value, rhs;       // by level; [0] is not used
  std::vector<Rows<float>> spare, residual;  // for second visits

 private:
  std::vector<Zeroed> memory_;
};

// Solves the coarse equations for one cycle: rhs[1] in, value[1] out.
void solve_coarse(const Hierarchy& hierarchy, CoarseArrays& arrays, const std::vector<float>& omega);

// The finest grid's share of a cycle.
template <class T>
struct FinestPass {
  const Hierarchy* hierarchy;
  Rows<T> v;
  const Rows<T>* rhs;         // null: zero
  const Rows<float>* coarse;  // value[1], to be added to v before smoothing; null: v stays as it is
  Rows<float>* residual;      // rhs[1], receives the restricted residual; null: nothing does
  bool zero_inside;           // v counts as zero in uniform spans, whatever stands there
  double* norms;              // [h][channels], receives each row's sum of squared residuals
  std::vector<float> omega;
};

template <class T>
void finest_pass(const FinestPass<T>& pass);

}  // namespace inpaintx::poisson
