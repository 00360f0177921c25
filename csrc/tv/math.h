// Total variation by Chambolle and Pock's primal-dual iteration (2011, algorithm 1): the arithmetic of one row.
//   dual:    p <- (p + sigma grad ubar) / max(1, |p + sigma grad ubar|)
//   primal:  u <- box(u + tau div p) on the hole;  ubar <- 2 u_new - u_old
// Forward differences. A pair of neighbors takes part where right/down is 1, which leaves out the photo's edge
// (Neumann) and pixels whose difference no hole pixel enters. It converges where tau sigma |grad|^2 <= 1.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/inline.h"

namespace inpaintx::tv {

// Unit ball of the isotropic norm.
template <typename acc_t>
INPAINTX_HD void to_ball(acc_t& a, acc_t& b) {
  const acc_t norm = std::sqrt(a * a + b * b), scale = acc_t(1) / (norm > acc_t(1) ? norm : acc_t(1));
  a *= scale;
  b *= scale;
}

// One pixel of the primal step; `hole` is 0 or 1.
template <typename acc_t>
INPAINTX_HD void primal(acc_t& u, acc_t& bar, acc_t divergence, acc_t hole, acc_t tau, acc_t low, acc_t high) {
  acc_t next = u + tau * divergence;
  next = next < low ? low : next;
  next = next > high ? high : next;
  next = u + hole * (next - u);
  bar = next + next - u;
  u = next;
}

}  // namespace inpaintx::tv
