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

// What a pixel of a coarse grid is. Most unknown ones have the interior's coefficients, and only those of the others
// are stored.
enum Kind : uint8_t { kKnown = 0, kMixed = 1, kInterior = 2 };

// One grid. Arrays are planar, contiguous, a plane an image's channel. What they hold of known pixels is neither read
// nor written. Offsets within a plane fit into 32 bits.
template <typename T>
struct Level {
  int height, width;
  uint8_t* kind;           // all but the finest: [masks, height, width]
  T* stencil;              // likewise: [masks, kStored, height, width], Galerkin's, of mixed pixels
  T center, edge, corner;  // the interior's coefficients: its diagonal, those of the four nearest neighbors, the others
  T *v, *b;                // likewise: [planes, height, width]: correction and right-hand side

  INPAINTX_HD int pixels() const { return height * width; }
};

// How far a plane's solve has come; all 0 at first.
struct Progress {
  double product;     // r M r
  double alpha;       // of M r in the latest step
  double momentum;    // of the step before in it
  double first;       // alpha of the first step
  double correction;  // no change of a pixel in it is larger
  double largest;     // of these
  int steps;          // done so far
  int done;           // 1: what follows leaves the plane alone
};

// What a tile of the finest grid leaves for the scalars of a step.
struct Sums {
  double product;    // r M r
  double curvature;  // M r A M r
  double most;       // largest |M r|

  INPAINTX_HD void add(const Sums& s) {
    product += s.product;
    curvature += s.curvature;
    most = most > s.most ? most : s.most;
  }
};

template <typename T>
// All grids of a batch, and the memory of one solve; device_batch.cpp owns it. By value, since kernels take it as
// argument. Fields of the finest grid are [planes, height, width].
struct Grid {
  Level<T> levels[kMostLevels];
  int count;
  int64_t planes, masks, channels;  // masks is 1 or planes / channels
  uint32_t* hole;                   // [masks, height, words()] of the finest level, a bit a pixel, the lowest first
  // After i steps in [i % 3], since tiles read their neighbors' last two; after the first step what that step took, to
  // be multiplied by its alpha. [0] also holds the boundary's data, at known pixels next to the hole.
  T* solution[3];
  T* preconditioned;            // M r of the latest step but the first
  T* rhs;                       // of the adjoint; null for the blend, whose data are the boundary's
  unsigned long long* largest;  // [planes]: bits of the largest absolute datum as a double, 0 at first
  Progress* progress;           // [planes]
  Sums* partial;                // [planes, parts()]
  Stream stream;

  int64_t parts() const;  // tiles of a plane of the finest level
  INPAINTX_HD int words() const { return (levels[0].width + 31) / 32; }
  INPAINTX_HD int64_t mask_of(int64_t plane) const { return masks == 1 ? 0 : plane / channels; }
};

// The hole's bits, kinds and stencils, from hole, [masks, height, width].
template <typename T>
void prepare(const Grid<T>&, const bool* hole);

// M r for the next step, after `step` of them, M one V-cycle: symmetric, positive and near A^-1; r is the residual of
// the solution, which first takes the last step. Leaves the tiles' sums.
template <typename T>
void precondition(const Grid<T>&, int step);

// The rest of that V-cycle from level n down, if it fits in one block: v of level n from its b. False: it does not fit.
template <typename T>
bool solve_small(const Grid<T>&, int n);

// Solves A v = b from zero by conjugate gradients, preconditioned by a symmetric V-cycle, in at most so many steps; a
// plane ends where its error is below 2 tol of its largest value (measured, see conjugate.cu).
template <typename T>
void solve(const Grid<T>&, int steps, double tol);

// The boundary's data: image - fill at known pixels next to the hole, near 1 by a power of two.
template <typename T, typename scalar_t>
void gather_boundary(const Grid<T>&, const scalar_t* fill, const scalar_t* image);

// out = hole ? fill + v : image
template <typename T, typename scalar_t>
void compose(const Grid<T>&, const scalar_t* fill, const scalar_t* image, scalar_t* out);

// rhs = grad in the hole, likewise.
template <typename T, typename scalar_t>
void start_adjoint(const Grid<T>&, const scalar_t* grad);

// Gradients of the boundary's data, from the solution: to image with a plus, to fill with a minus.
template <typename T, typename scalar_t>
void scatter_boundary(const Grid<T>&, const scalar_t* grad, scalar_t* grad_fill, scalar_t* grad_image);

}  // namespace inpaintx::poisson::device
