// Multigrid for the blend on CUDA: what device_batch.cpp allocates, images.cu, multigrid.cu and conjugate.cu work on.
// No torch header.
#pragma once

#include <cstdint>

#include "common/inline.h"
#include "common/stream.h"

namespace inpaintx::poisson::device {

constexpr int kMostLevels = 24;

// Stencils are symmetric: of the nine coefficients, in raster order, the last five are stored, the diagonal first.
constexpr int kStored = 5, kCenter = 4;

// One grid. A pixel is unknown where its diagonal is above 0; arrays are planar, contiguous, a plane an image's
// channel. Offsets within a plane fit into 32 bits.
template <typename T>
struct Level {
  int height, width;
  T* stencil;  // all but the finest: [masks, kStored, height, width], Galerkin's
  T *v, *b;    // all but the finest: [planes, height, width], 0 at known pixels: correction and right-hand side

  INPAINTX_HD int pixels() const { return height * width; }
};

// How far a plane's solve has come; all 0 at first.
struct Progress {
  double product;     // r M r
  double alpha;       // of the latest step
  double beta;        // of the next direction
  double correction;  // largest change of a pixel in the latest step
  double largest;     // in any step
  int steps;          // done so far
  int done;           // 1: what follows leaves the plane alone
};

template <typename T>
// All grids of a batch, and the memory of one solve; device_batch.cpp owns it. By value, since kernels take it as
// argument. The fields of the finest grid, [planes, height, width], are neither read nor written at known pixels.
struct Grid {
  Level<T> levels[kMostLevels];
  int count;
  int64_t planes, masks, channels;  // masks is 1 or planes / channels
  const bool* hole;                 // [masks, height, width] of the finest level
  T *residual[2], *direction[2];    // of step i in [i % 2], since tiles read their neighbors' last ones
  T *preconditioned, *solution;     // M r; the sum of alpha direction over all steps but the latest
  unsigned long long* largest;      // [planes]: bits of the largest absolute datum as a double, 0 at first
  Progress* progress;               // [planes]
  double* partial;                  // [planes, parts(), 2]: sums and maxima of tiles
  Stream stream;

  int64_t parts() const;  // tiles of a plane of the finest level
};

// Coarse stencils, from the finest level's holes.
template <typename T>
void prepare(const Grid<T>&);

// out = M residual[step % 2] on the finest level, M one V-cycle: symmetric, positive and near A^-1. From the second
// step (1) on that residual is first made of the last one, r -= alpha A direction. Leaves the tiles' sums of out
// residual.
template <typename T>
void precondition(const Grid<T>&, int step, T* out);

// Solves A v = residual[0] from zero by conjugate gradients, preconditioned by a symmetric V-cycle, in at most so many
// steps; a plane ends where its error is below 2 tol of its largest value (measured, see conjugate.cu).
template <typename T>
void solve(const Grid<T>&, int steps, double tol);

// residual[0] = b of the blend: image - fill summed over each hole pixel's known neighbors, near 1 by a power of two.
template <typename T, typename scalar_t>
void gather_boundary(const Grid<T>&, const scalar_t* fill, const scalar_t* image);

// out = hole ? fill + v : image
template <typename T, typename scalar_t>
void compose(const Grid<T>&, const scalar_t* fill, const scalar_t* image, scalar_t* out);

// residual[0] = grad in the hole, likewise.
template <typename T, typename scalar_t>
void start_adjoint(const Grid<T>&, const scalar_t* grad);

// Gradients of the boundary's data, from the solution: to image with a plus, to fill with a minus.
template <typename T, typename scalar_t>
void scatter_boundary(const Grid<T>&, const scalar_t* grad, scalar_t* grad_fill, scalar_t* grad_image);

}  // namespace inpaintx::poisson::device
