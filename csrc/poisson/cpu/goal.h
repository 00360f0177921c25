// When a solve may end: the residual is small, and so is the error, in every channel.
//
// The residual says little of the error where hardly a pixel is known: an error that is smooth over the whole photo has
// a residual of next to nothing. But the coarse grids see it. What they correct in a cycle is the error before it, to
// some per cent; a cycle leaves a tenth of it or less where much is known. Where that does not settle it the coarse
// grids are solved once more. What they do not see, on pixels whose coarse neighbors are all known, is local, and there
// no error is much larger than the residual.
//
// Questions come in the order of their cost: norms (known anyhow), corrections of the cycle just done (one pass over
// the first coarse grid), the largest residual (one over the mixed spans), the next corrections (a solve of the coarse
// grids).
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "poisson/cpu/range.h"

namespace inpaintx::poisson {

template <class T>
class Goal {
 public:
  // rhs: null for the blend, whose data are values of v on known pixels.
  Goal(const Level& level, const HalfRows<T>& v, const HalfRows<T>* rhs, double tol, std::vector<double> start)
      : level_(level), v_(v), rhs_(rhs), tol_(tol), start_(start), now_(std::move(start)), rate_(now_.size(), 0.) {}

  // A cycle has made the corrections and left residuals of these norms.
  void cycle(const std::vector<double>& norms, std::vector<double> corrections) {
    for (size_t c = 0; c < norms.size(); ++c) rate_[c] = now_[c] > 0 ? norms[c] / now_[c] : 0;
    now_ = norms;
    idle_ = helped() ? 0 : idle_ + 1;
    left_ = corrections_.empty() ? 1 : kMostLeft;  // the first cycle does not tell how much it leaves
    corrections_ = std::move(corrections);
  }
  // In relation to the first one, the largest of the channels.
  double residual() const {
    double most = 0;
    for (size_t c = 0; c < now_.size(); ++c) {
      if (start_[c] > 0) most = std::max(now_[c] / start_[c], most);
    }
    return most;
  }

  bool residual_is_small() const {
    for (size_t c = 0; c < now_.size(); ++c) {
      if (residual_above(c)) return false;
    }
    return true;
  }

  bool error_is_surely_small() {
    for (size_t c = 0; c < corrections_.size(); ++c) {
      if (corrections_[c] * std::max(4 * rate_[c], left_) > limit(c) || local_above(c)) return false;
    }
    return true;
  }

  // `next`: what the coarse grids would correct now.
  bool error_is_small(const std::vector<double>& next) {
    for (size_t c = 0; c < next.size(); ++c) {
      const bool little_known = rate_[c] > kFast || level_.h == 1 || level_.w == 1;
      if ((little_known ? kUnseenOfMore : kUnseen) * next[c] > limit(c) || local_above(c)) return false;
    }
    return true;
  }

  // Whether it is worth going on. Rounding stops cycles for good; where a lone pixel in a corner is known, one of the
  // first cycles may help little, and the next ones do.
  bool progress() const { return idle_ < (residual() < kRounding ? 1 : kPatience); }

 private:
  static constexpr double kProgress = 0.7, kSlowest = 0.95;
  static constexpr int kPatience = 2;
  static constexpr double kMostLeft = 0.1;  // of an error after a cycle, where much is known
  // Measured over masks of every kind, tests/ops/test_poisson_tolerance.py: an error against what the coarse grids see
  // of it, where residuals fall fast and where little is known; and against the largest residual where that is more.
  static constexpr double kFast = 0.05, kUnseen = 1.15, kUnseenOfMore = 1.4, kLocal = 0.7;
  static constexpr double kErrorPerTol = 1.9;                         // 1e-3 is to leave less than half a level of 255
  static constexpr double kRounding = sizeof(T) == 4 ? 1e-5 : 1e-14;  // of the range; less is not asked for

  // Until rounding stops them cycles divide a residual by 4 to 16. Where it is small and the error is not, they may be
  // slow.
  bool helped() const {
    for (size_t c = 0; c < now_.size(); ++c) {
      if (rate_[c] < (residual_above(c) ? kProgress : kSlowest)) return true;
    }
    return false;
  }

  bool residual_above(size_t c) const { return now_[c] > tol_ * start_[c]; }

  bool local_above(size_t c) {  // no residual is larger than their norm
    return kLocal * now_[c] > limit(c) && kLocal * largest_residual(level_, v_, rhs_, int(c)) > limit(c);
  }

  double limit(size_t c) {
    if (range_.empty()) {
      for (int i = 0; i < int(now_.size()); ++i) {
        range_.push_back(largest(level_, v_, i, rhs_ ? Among::all : Among::mixed));
      }
    }
    return std::max(kErrorPerTol * tol_, kRounding) * range_[c];
  }

  const Level& level_;
  const HalfRows<T>& v_;
  const HalfRows<T>* rhs_;
  double tol_, left_ = 1;
  int idle_ = 0;  // cycles in a row that did not help
  std::vector<double> start_, now_, rate_;
  std::vector<double> corrections_;  // of the latest cycle; none before the first
  std::vector<double> range_;        // largest |v|, that of the boundary among it; measured when it is asked for
};

}  // namespace inpaintx::poisson
