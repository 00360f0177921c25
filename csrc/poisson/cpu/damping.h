// How far each smoothing step of a cycle goes.
//
// The factors are fitted, by an evolution strategy (CMA-ES), to the largest error after two cycles and to what later
// ones gain, over irregular masks on portraits, wide holes with and without islands, strokes and noise of 64 to 1280
// pixels. In the way of theory (one factor of over-relaxation; Chebyshev's points of [0.05, 2], 5 on each coarse grid)
// as much error takes 7 sweeps of the photo's grid instead of 6, and two thirds more steps on the second coarse grid.
// No set may enlarge any part of an error: the photo's factors lie below 2, and a coarse grid's product of 1 - factor x
// stays within 1 for the eigenvalues x of its equations, divided by the diagonal, up to 1.7 on the first coarse grid, 2
// on the second and 2.2 on deeper ones. A search for masks with large ones ended at 1.68, 2.1 (pixels like a
// checkerboard's, the second grid's product being 1.2 there) and 2.2; lines of pixels have 2 on any grid and take the
// deeper ones' factors.
#pragma once

#include <span>

namespace inpaintx::poisson {

constexpr int kTwice = 2;  // the coarse grid visited twice

// Over-relaxation of the photo's grid, one factor each half-step; the last is 1.
inline std::span<const float> photo_factors(int cycle) {
  static constexpr float kFirst[] = {1.432f, 1.419f, 1.214f, 1.305f, 0.934f, 1},
                         kLater[] = {1.143f, 1.364f, 1.336f, 1.566f, 1.175f, 1};
  return cycle == 0 ? kFirst : kLater;
}

// Damping of Jacobi's steps on coarse grid `level`, from 1. The large ones first: what they amplify, rounding among it,
// is damped by those that follow.
inline std::span<const float> coarse_factors(int level, int visit, bool line) {
  static constexpr float kFirst[] = {10.309f, 2.221f, 1.445f, 0.838f, 0.606f}, kSecond[] = {2.138f, 0.614f},
                         kSecondAgain[] = {6.865f, 1.4f, 0.773f, 0.512f}, kDeeper[] = {8.412f, 1.108f, 0.69f, 0.446f};
  if (line || level > kTwice) return kDeeper;
  if (level == 1) return kFirst;
  return visit == 0 ? std::span<const float>(kSecond) : kSecondAgain;
}

}  // namespace inpaintx::poisson
