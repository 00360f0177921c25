// The arithmetic of one pixel of the blend, on the host and on the device.
//
// Unknown is v = result - fill. On a hole pixel p it obeys  |N_p| v_p - sum_{hole q} v_q = sum_{known q} (image -
// fill)_q (Perez et al. 2003, eq. 7, with fill's own gradients also across the boundary): v is harmonic, the data sit
// on the rim. Neighbors beyond the photo's edge are dropped; the caller does so by reading the pixel itself in their
// place.
#pragma once

#include "common/inline.h"

namespace inpaintx::poisson {

// b - A v on the finest grid. Known neighbors carry image - fill in v itself.
template <class T>
INPAINTX_HD T residual5(T v, T up, T down, T left, T right) {
  return (up + down) + (left + right) - T(4) * v;
}

// One damped Jacobi step; a sequence of factors at Chebyshev points makes the smoother.
template <class T>
INPAINTX_HD T relax5(T v, T residual, T omega) {
  return v + (omega * T(0.25)) * residual;
}

// One step on a coarse grid: `sum` is that of the neighbors' values times -coefficient / diagonal.
INPAINTX_HD float relax9(float v, float rhs, float inverse, float sum, float omega) {
  return v + omega * (rhs * inverse - v + sum);
}

// rhs - A v, in the equation's own units: v - sum is in those of the divided one.
INPAINTX_HD float residual9(float v, float rhs, float inverse, float sum) { return rhs - (v - sum) / inverse; }

// Bilinear interpolation onto an odd position, and its transpose, of three values of the finer grid.
INPAINTX_HD float between(float a, float b) { return 0.5f * (a + b); }
template <class T>
INPAINTX_HD T gather3(T before, T centre, T after) {
  return centre + T(0.5) * (before + after);
}

}  // namespace inpaintx::poisson
