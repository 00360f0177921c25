// The arrays of a solve, and its cycles. For solver.cpp alone. The loop is
//
//   first residual -> { coarse grids -> correct, smooth, measure the photo's grid } until the goal
//
// where the last part of one cycle already restricts the residual that the next one starts from: a cycle is one pass
// over the photo's grid. Where the goal's look at the error needs the coarse grids' next correction, that is solved
// ahead and kept for the next cycle (ahead_).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "poisson/cpu/blocks.h"
#include "poisson/cpu/cycle.h"
#include "poisson/cpu/damping.h"
#include "poisson/cpu/goal.h"
#include "poisson/cpu/range.h"
#include "poisson/cpu/solver.h"

namespace inpaintx::poisson {

template <class T>
struct Solver::Arrays {
  Arrays(const Hierarchy& hierarchy, int count)
      : channels(count),
        memory(HalfRows<T>::bytes_for(hierarchy.levels[0], count), false),
        v(memory, hierarchy.levels[0], count),
        coarse(hierarchy, count),
        norms(hierarchy.levels[0].h * count) {}

  void need_rhs(const Level& level) {
    if (rhs.data) return;
    rhs_memory = Workspace(HalfRows<T>::bytes_for(level, channels), false);
    rhs = HalfRows<T>(rhs_memory, level, channels);
  }
  size_t bytes() const { return memory.bytes() + rhs_memory.bytes() + coarse.bytes() + norms.size() * sizeof(double); }

  int channels;
  Workspace memory, rhs_memory;
  HalfRows<T> v, rhs;
  CoarseArrays coarse;
  std::vector<double> norms;
};

// Cycles on arrays.v until the goal is reached in every channel, or nothing more is to be had.
template <class T>
class Solver::Cycles {
 public:
  Cycles(const Solver& solver, Arrays<T>& arrays, bool with_rhs, const Parameters& p)
      : hierarchy_(solver.hierarchy_),
        arrays_(arrays),
        coarse_(arrays.coarse),
        with_rhs_(with_rhs),
        p_(p),
        pass_{
            &solver.hierarchy_,  arrays.v, with_rhs ? &arrays.rhs : nullptr, nullptr, &arrays.coarse.rhs[1], !with_rhs,
            arrays.norms.data(), {}} {
    const std::vector<double> before = first_norms();
    goal_.emplace(hierarchy_.levels[0], arrays.v, with_rhs ? &arrays.rhs : nullptr, p.tol, before);
    info_.residual = goal_->residual();
    done_ = reached();
  }

  // One cycle; false where another would bring nothing.
  bool next() {
    if (done_ || info_.cycles >= p_.max_cycles) return false;
    const bool last = info_.cycles + 1 == p_.max_cycles;
    if (!ahead_) solve_coarse(hierarchy_, coarse_);
    ahead_ = false;
    pass_.coarse = &coarse_.value[1];
    pass_.omega = photo_factors(info_.cycles);
    if (last) pass_.residual = nullptr;
    if (last && !p_.report) pass_.norms = nullptr;
    smooth_photo_grid(pass_);
    pass_.zero_inside = false;
    ++info_.cycles;
    if (!pass_.norms) return false;
    goal_->cycle(norms(), corrections(hierarchy_.levels[1], coarse_.value[1]));
    info_.residual = goal_->residual();
    done_ = reached();
    return !done_ && goal_->progress();
  }

  // The data get back their own magnitude.
  SolveInfo finish() {
    bring_back(hierarchy_.levels[0], arrays_.v, exponents_);
    if (std::find(exponents_.begin(), exponents_.end(), kSpoilt) != exponents_.end()) {
      info_.residual = std::numeric_limits<double>::quiet_NaN();
    }
    return info_;
  }

 private:
  // Of each channel, the norm of the residual that the latest pass left: summed row by row, whoever computed the rows.
  std::vector<double> norms() const {
    const int channels = arrays_.channels;
    std::vector<double> sum(channels, 0.);
    for (int y = 0; y < hierarchy_.levels[0].h; ++y) {
      for (int c = 0; c < channels; ++c) sum[c] += arrays_.norms[size_t(y) * channels + c];
    }
    for (double& s : sum) s = std::sqrt(s);
    return sum;
  }

  // The first residual, and where its magnitude is far from 1 that of the scaled data.
  std::vector<double> first_norms() {
    const Level& level = hierarchy_.levels[0];
    smooth_photo_grid(pass_);
    const std::vector<double> before = norms();
    exponents_ =
        bring_near_one(level, with_rhs_ ? arrays_.rhs : arrays_.v, with_rhs_ ? Among::all : Among::mixed, before);
    if (exponents_.empty()) return before;
    for (int y = 0; y < level.h && !with_rhs_; ++y) {
      for (int c = 0; c < arrays_.channels; ++c) mirror_ends(arrays_.v.at(y, c, 0), arrays_.v.half, level.w);
    }
    smooth_photo_grid(pass_);
    return norms();
  }

  // Where the residual alone does not tell, the next cycle's coarse grids are solved: they see the error.
  bool reached() {
    if (!goal_->residual_is_small()) return false;
    if (goal_->error_is_surely_small() || info_.cycles == p_.max_cycles) return true;
    solve_coarse(hierarchy_, coarse_);
    ahead_ = true;
    return goal_->error_is_small(corrections(hierarchy_.levels[1], coarse_.value[1]));
  }

  const Hierarchy& hierarchy_;
  Arrays<T>& arrays_;
  CoarseArrays& coarse_;
  bool with_rhs_;
  const Parameters& p_;
  PhotoGridPass<T> pass_;
  std::optional<Goal<T>> goal_;
  std::vector<int> exponents_;
  SolveInfo info_;
  bool ahead_ = false;  // the next cycle's coarse grids are solved: to tell the error, if not to go on
  bool done_ = false;
};

}  // namespace inpaintx::poisson
