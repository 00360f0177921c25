// Multigrid for the blend on CUDA: what device_batch.cpp allocates, cuda.cu and cuda_conjugate.cu work on. No torch
// header.
#pragma once

#include <cstdint>

#include "common/stream.h"

namespace inpaintx::poisson::device {

constexpr int kMostLevels = 24;
constexpr int64_t kSmall = 32;  // levels of at most so many rows and columns are solved within one block of threads

constexpr int64_t kMostChunks = 64;  // parts of a plane that are summed apart

// One grid. A pixel is unknown where its diagonal is above 0; arrays are planar, contiguous, a plane an image's
// channel. No spans and no boxes here: every pixel of the photo has a thread, and known ones end at once.
template <typename T>
struct Level {
  int64_t height, width;
  const bool* hole;  // the finest level only: [masks, height, width]
  T* stencil;        // the others: [masks, 9, height, width], Galerkin's
  T *v, *other, *b;  // [planes, height, width]: solution, a second one, right-hand side
};

template <typename T>
// All grids of a batch, and the memory of one solve; device_batch.cpp owns it. By value, since kernels take it as
// argument.
struct Grid {
  Level<T> levels[kMostLevels];
  int count;
  int64_t planes, masks, channels;  // masks is 1 or planes / channels
  T *solution, *direction;          // [planes, height, width] of the finest level
  T* scale;                         // [planes]: a power of two that the data were divided by; NaN where they are spoilt
  double *sums, *partial;           // [3, planes] and [planes, kMostChunks]
  Stream stream;
};

// Coarse stencils, from the finest level's holes.
template <typename T>
void prepare(const Grid<T>&);

// v = M b on the finest level, M one V-cycle: symmetric, positive and near A^-1.
template <typename T>
void precondition(const Grid<T>&);

// solution and scale: A (scale solution) = b, from zero, in so many steps of conjugate gradients. b is used up.
template <typename T>
void solve(const Grid<T>&, int64_t steps);

// b of the finest level: image - fill summed over each hole pixel's known neighbors.
template <typename T>
void gather_boundary(const Grid<T>&, const T* fill, const T* image);

// out = hole ? fill + scale solution : image
template <typename T>
void compose(const Grid<T>&, const T* fill, const T* image, T* out);

// b = hole ? grad : 0
template <typename T>
void start_adjoint(const Grid<T>&, const T* grad);

// Gradients of the boundary's data, from the solution: to image with a plus, to fill with a minus.
template <typename T>
void scatter_boundary(const Grid<T>&, const T* grad, T* grad_fill, T* grad_image);

}  // namespace inpaintx::poisson::device
