// A tile of a grid in shared memory, with a rim of kRim pixels, and the equations of its pixels. On the finest grid
// coefficients follow from the mask; on the others they are read. Fields are 0 at known pixels and beyond the photo, so
// that neighbors need no test. Device functions for the kernels of multigrid.cu and conjugate.cu.
#pragma once

#include "common/cuda_check.h"
#include "poisson/cuda/device.h"

namespace inpaintx::poisson::device {

constexpr int kRim = 4;  // what two sweeps before, a residual and its restriction reach, and r - alpha A p besides

template <typename T>
constexpr int kSide = sizeof(T) == 4 ? 40 : 32;  // with the rim; four fields of it are within 48 KB
template <typename T>
constexpr int kCore = kSide<T> - 2 * kRim;

template <typename T>
struct Fields {
  T diagonal[kSide<T> * kSide<T>], b[kSide<T> * kSide<T>], v[kSide<T> * kSide<T>], other[kSide<T> * kSide<T>];
};

template <typename T>
__host__ __device__ int64_t tiles_of(int height, int width) {
  constexpr int core = kCore<T>;
  return static_cast<int64_t>((height + core - 1) / core) * ((width + core - 1) / core);
}

// The k-th coefficient of pixel `at`, that of the neighbor which lies `offset` pixels further.
template <typename T>
__device__ __forceinline__ T coefficient(const T* stencil, int64_t pixels, int at, int k, int offset) {
  return k >= kCenter ? stencil[(k - kCenter) * pixels + at] : stencil[(kCenter - k) * pixels + at + offset];
}

// Where a tile lies: pixel (y, x) of it is (top + y, left + x) of the plane.
template <typename T, bool kFinest>
struct Place {
  static constexpr int kWide = kSide<T>;
  const bool* hole;      // of the plane's mask, on the finest grid
  const T* stencil;      // of the plane's mask, on the others
  int64_t plane, start;  // start: of the plane in a field
  int height, width, top, left;

  __device__ Place(const Grid<T>& g, const Level<T>& l, int64_t tile) : height(l.height), width(l.width) {
    constexpr int core = kCore<T>;
    const int across = (width + core - 1) / core, tiles = across * ((height + core - 1) / core);
    plane = tile / tiles;
    top = static_cast<int>(tile % tiles) / across * core - kRim;
    left = static_cast<int>(tile % tiles) % across * core - kRim;
    const int64_t pixels = static_cast<int64_t>(height) * width, mask = g.masks == 1 ? 0 : plane / g.channels;
    start = plane * pixels;
    hole = kFinest ? g.hole + mask * pixels : nullptr;
    stencil = kFinest ? nullptr : l.stencil + kStored * mask * pixels;
  }
  __device__ bool inside(int y, int x) const {
    return top + y >= 0 && left + x >= 0 && top + y < height && left + x < width;
  }
  __device__ int pixel(int y, int x) const { return (top + y) * width + left + x; }

  // 0 where known or beyond the photo; on the finest grid as many as there are neighbors in the photo.
  __device__ T diagonal(int y, int x) const {
    if (!inside(y, x)) return T(0);
    if constexpr (kFinest) {
      if (!hole[pixel(y, x)]) return T(0);
      return T((top + y > 0) + (left + x > 0) + (top + y + 1 < height) + (left + x + 1 < width));
    } else {
      return stencil[pixel(y, x)];
    }
  }
  // Sum over the neighbors of coefficient * field, at an unknown pixel.
  __device__ T coupled(const T* field, int y, int x) const {
    const T* at = field + y * kWide + x;
    if constexpr (kFinest) {
      return -((at[-1] + at[1]) + (at[-kWide] + at[kWide]));
    } else {
      const int64_t pixels = static_cast<int64_t>(height) * width;
      T sum = 0;
#pragma unroll
      for (int k = 0; k < 9; ++k) {
        const int dy = k / 3 - 1, dx = k % 3 - 1;
        const T value = at[dy * kWide + dx];  // 0 beyond the photo, where no coefficient is
        if (k != kCenter && value != T(0)) sum += value * coefficient(stencil, pixels, pixel(y, x), k, dy * width + dx);
      }
      return sum;
    }
  }
};

// f(y, x) for the pixels of a tile within `rim` of its core, shared among the block's threads.
template <typename T, typename F>
__device__ __forceinline__ void each_pixel(int rim, const F& f) {
  const int first = kRim - rim, span = kSide<T> - 2 * first;
  for (int i = threadIdx.x; i < span * span; i += kThreads) f(first + i / span, first + i % span);
}

constexpr int kShared = 2 * kThreads;  // doubles that the following need

// The sum and the maximum over the threads of a block, by a tree of fixed shape; all of them take part.
__device__ inline void reduce(double& sum, double& most, double* shared) {
  double *sums = shared + threadIdx.x, *maxima = sums + kThreads;
  *sums = sum;
  *maxima = most;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      *sums += sums[half];
      *maxima = max(*maxima, maxima[half]);
    }
    __syncthreads();
  }
  sum = shared[0];
  most = shared[kThreads];
  __syncthreads();
}

// Leaves a tile's sum and maximum for conjugate.cu.
__device__ inline void leave_partial(double* partial, int64_t tile, double sum, double most, double* shared) {
  reduce(sum, most, shared);
  if (threadIdx.x == 0) {
    partial[2 * tile] = sum;
    partial[2 * tile + 1] = most;
  }
}

}  // namespace inpaintx::poisson::device
