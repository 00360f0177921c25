// Coarse matrices P^T A P. Rows and columns of known pixels are zero in A, so the plain bilinear P serves: it factors
// into one interpolation along x and one along y, and the product is taken one direction after the other.
#pragma once

#include "poisson/grid/hierarchy.h"

namespace inpaintx::poisson {

// The one stencil of all pixels deep inside the hole.
struct Stencil {
  float centre, edge, corner;
};
Stencil coarsen(Stencil fine);

// Coefficients of the coarse pixels whose spans are not uniform: of the first coarse grid, and of those that follow.
// `fine` is read; `coarse.coef` is written, its spans, mask and stencil being there already.
void fill_from_mask(const Level& photo, Level& coarse);
void fill_coefficients(const Level& fine, Level& coarse);

// Cholesky factor of the coarsest matrix.
//   level     the coarsest grid, read
//   unknowns  y * w + x of its unknown pixels, in raster order: appended
//   factor    [n, n], lower, row by row, n = unknowns.size(): replaced
void factorise(const Level& level, std::vector<int32_t>& unknowns, std::vector<double>& factor);

}  // namespace inpaintx::poisson
