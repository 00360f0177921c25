// A tile of a grid in shared memory, with a rim of kRim pixels, and the equations of its pixels. Device functions for
// the kernels of multigrid.cu and conjugate.cu.
#pragma once

#include <type_traits>

#include "common/cuda_check.h"
#include "poisson/cuda/device.h"

namespace inpaintx::poisson::device {

// What two sweeps, an interpolation, two sweeps and A (M r) reach; two sweeps, a residual and its restriction reach one
// pixel less.
constexpr int kRim = 5;

template <typename T>
constexpr int kSide = sizeof(T) == 4 ? 48 : 40;  // with the rim; with the sums of `reduce` within 48 KB
template <typename T>
constexpr int kCore = kSide<T> - 2 * kRim;

// Chebyshev nodes of the upper three quarters of the spectrum of D^-1 A, which lies in (0, 2].
constexpr float kFirst = 0.5617f, kSecond = 1.3896f;

// How much the fine row (or column) `at` takes from the coarse one `coarse`; beyond the photo's edge there is none, and
// the last one stands for it.
__device__ inline float weight(int at, int coarse, int size) {
  if (at == 2 * coarse) return 1;
  return at == 2 * coarse + 1 && at == size - 1 ? 1 : 0.5f;
}

// One Jacobi step at an unknown pixel; `coupled` is the sum over its neighbors.
template <typename T>
__device__ __forceinline__ T relaxed(T v, T b, T coupled, T diagonal, float omega) {
  return v + static_cast<T>(omega) * ((b - coupled) / diagonal - v);
}

// Fields are 0 at pixels that are known or beyond the photo, so that neighbors need no test; on the finest grid the
// solution alone has data at known ones.
template <typename T>
struct Fields {
  T b[kSide<T> * kSide<T>], v[kSide<T> * kSide<T>], other[kSide<T> * kSide<T>];
  uint8_t kind[kSide<T> * kSide<T>];

  // Whether a known pixel has a neighbor in the tile that is not.
  __device__ bool next_to_hole(int y, int x) const {
    const uint8_t* at = kind + y * kSide<T> + x;
    return (y > 0 && at[-kSide<T>] != kKnown) || (y + 1 < kSide<T> && at[kSide<T>] != kKnown) ||
           (x > 0 && at[-1] != kKnown) || (x + 1 < kSide<T> && at[1] != kKnown);
  }
};

template <typename T>
__host__ __device__ int64_t tiles_of(int height, int width) {
  constexpr int core = kCore<T>;
  return static_cast<int64_t>((height + core - 1) / core) * ((width + core - 1) / core);
}

// The matrix of the finest grid's mask: 4 or fewer on the diagonal, as many as there are neighbors in the photo, and -1
// to those in the hole. Pixel (y, x) is inside the photo, here and below.
template <typename T>
struct FinestMatrix {
  const uint32_t* hole;
  int words, height, width;

  __device__ FinestMatrix(const Grid<T>& g, const Level<T>& l, int64_t mask)
      : hole(g.hole + mask * l.height * g.words()), words(g.words()), height(l.height), width(l.width) {}
  // The diagonal: 0 where known, 1 where the pixel is all of the photo.
  __device__ uint8_t kind(int y, int x) const {
    if (!(hole[y * words + x / 32] >> x % 32 & 1)) return kKnown;
    return static_cast<uint8_t>(max((y > 0) + (x > 0) + (y + 1 < height) + (x + 1 < width), 1));
  }
  __device__ T diagonal(uint8_t kind, int, int) const { return T(kind); }
  __device__ T operator()(uint8_t, int, int, int k) const { return k % 2 == 1 ? T(-1) : T(0); }
};

// That of a coarse grid's.
template <typename T>
struct CoarseMatrix {
  const uint8_t* kinds;
  const T* stencil;
  T center, edge, corner;
  int pixels, width;

  __device__ CoarseMatrix(const Grid<T>&, const Level<T>& l, int64_t mask)
      : kinds(l.kind + mask * l.pixels()),
        stencil(l.stencil + kStored * mask * l.pixels()),
        center(l.center),
        edge(l.edge),
        corner(l.corner),
        pixels(l.pixels()),
        width(l.width) {}
  __device__ uint8_t kind(int y, int x) const { return kinds[y * width + x]; }
  __device__ T interior(int k) const { return k == kCenter ? center : k % 2 == 1 ? edge : corner; }
  __device__ T diagonal(uint8_t kind, int y, int x) const {
    return kind == kMixed ? stencil[y * width + x] : kind == kInterior ? center : T(0);
  }
  // Of an unknown pixel of such a kind to its k-th neighbor in raster order, which is unknown too. The half that is not
  // stored with a pixel is stored with its neighbors.
  __device__ T operator()(uint8_t kind, int y, int x, int k) const {
    if (kind == kInterior) return interior(k);
    const int at = y * width + x;
    if (k >= kCenter) return stencil[(k - kCenter) * pixels + at];
    const int neighbor = at + (k / 3 - 1) * width + k % 3 - 1;
    return kinds[neighbor] == kInterior ? interior(k) : stencil[(kCenter - k) * pixels + neighbor];
  }
};

template <typename T, bool kFinest>
using Matrix = std::conditional_t<kFinest, FinestMatrix<T>, CoarseMatrix<T>>;

// Where a tile lies: pixel (y, x) of it is (top + y, left + x) of the plane.
template <typename T, bool kFinest>
struct Place {
  static constexpr int kWide = kSide<T>;
  Matrix<T, kFinest> matrix;
  int64_t plane, start;  // start: of the plane in a field
  int height, width, top, left;

  __device__ Place(const Grid<T>& g, const Level<T>& l, int64_t tile)
      : matrix(g, l, g.mask_of(tile / tiles_of<T>(l.height, l.width))), height(l.height), width(l.width) {
    constexpr int core = kCore<T>;
    const int across = (width + core - 1) / core, tiles = across * ((height + core - 1) / core);
    plane = tile / tiles;
    start = plane * l.pixels();
    top = static_cast<int>(tile % tiles) / across * core - kRim;
    left = static_cast<int>(tile % tiles) % across * core - kRim;
  }
  __device__ bool inside(int y, int x) const {
    return top + y >= 0 && left + x >= 0 && top + y < height && left + x < width;
  }
  __device__ uint8_t kind(int y, int x) const {
    return inside(y, x) ? matrix.kind(top + y, left + x) : static_cast<uint8_t>(kKnown);
  }
  __device__ int64_t at(int y, int x) const { return start + (top + y) * width + left + x; }  // in a field
  __device__ static bool own(int y, int x) {
    return y >= kRim && x >= kRim && y < kRim + kCore<T> && x < kRim + kCore<T>;
  }

  // Of an unknown pixel; the products are those of A with a field.
  __device__ T diagonal(uint8_t kind, int y, int x) const { return matrix.diagonal(kind, top + y, left + x); }
  // Sum over the neighbors of coefficient * field.
  __device__ T coupled(uint8_t kind, const T* field, int y, int x) const {
    const T* at = field + y * kWide + x;
    if constexpr (kFinest) {
      return -((at[-1] + at[1]) + (at[-kWide] + at[kWide]));
    } else {
      T sum = 0;
#pragma unroll
      for (int k = 0; k < 9; ++k) {
        const T value = at[(k / 3 - 1) * kWide + k % 3 - 1];  // 0 where there is no coefficient
        if (k != kCenter && value != T(0)) sum += value * matrix(kind, top + y, left + x, k);
      }
      return sum;
    }
  }
  __device__ T product(uint8_t kind, const T* field, int y, int x) const {
    return diagonal(kind, y, x) * field[y * kWide + x] + coupled(kind, field, y, x);
  }
  // 0 at a known pixel.
  __device__ T relaxed(const Fields<T>& f, const T* field, int y, int x, float omega) const {
    const int i = y * kWide + x;
    const uint8_t kind = f.kind[i];
    if (kind == kKnown) return T(0);
    return device::relaxed(field[i], f.b[i], coupled(kind, field, y, x), diagonal(kind, y, x), omega);
  }
};

// f(y, x) for the pixels of a tile within `rim` of its core, shared among the block's threads.
template <typename T, typename F>
__device__ __forceinline__ void each_pixel(int rim, const F& f) {
  const int first = kRim - rim, span = kSide<T> - 2 * first;
  for (int i = threadIdx.x; i < span * span; i += kThreads) f(first + i / span, first + i % span);
}

// The kinds of a tile's pixels; false, alike for all threads of the block, where none is unknown. The fields of the
// tile before are free then.
template <typename T, bool kFinest>
__device__ bool load_kinds(const Place<T, kFinest>& p, Fields<T>& f, int* unknown) {
  __syncthreads();
  if (threadIdx.x == 0) *unknown = 0;
  __syncthreads();
  bool some = false;
  each_pixel<T>(kRim, [&](int y, int x) {
    const uint8_t kind = p.kind(y, x);
    f.kind[y * kSide<T> + x] = kind;
    some |= kind != kKnown && p.own(y, x);
  });
  if (some) atomicMax(unknown, 1);
  __syncthreads();
  return *unknown > 0;
}

// The finest grid's solution after so many steps, once it is stored.
template <typename T>
__device__ __forceinline__ T solution(const Grid<T>& g, const Progress& p, int steps, int64_t at) {
  if (steps == 0) return T(0);
  return steps == 1 ? static_cast<T>(p.first) * g.solution[1][at] : g.solution[steps % 3][at];
}

// Likewise, before: the latest step is added to it.
template <typename T>
__device__ __forceinline__ T advanced(const Grid<T>& g, const Progress& p, int steps, int64_t at) {
  if (steps < 2) return solution(g, p, steps, at);
  const T last = solution(g, p, steps - 1, at), change = last - solution(g, p, steps - 2, at);
  return last + (static_cast<T>(p.alpha) * g.preconditioned[at] + static_cast<T>(p.momentum) * change);
}

// Over the threads of a block, by a tree of fixed shape; all of them take part.
__device__ inline Sums reduce(const Sums& sums, Sums* shared) {
  shared[threadIdx.x] = sums;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x].add(shared[threadIdx.x + half]);
    __syncthreads();
  }
  const Sums sum = shared[0];
  __syncthreads();
  return sum;
}

}  // namespace inpaintx::poisson::device
