// The rest of multigrid.cu's V-cycle on grids that fit in one block's shared memory: a block a plane.
#include "poisson/cuda/tile.h"

namespace inpaintx::poisson::device {
namespace {

template <typename T>
constexpr int kSmall = sizeof(T) == 4 ? 64 : 32;  // rows and columns at most
template <typename T>
constexpr int kPixels = kSmall<T> * kSmall<T> * 4 / 3 + kMostLevels;  // of all its grids: a geometric series
template <typename T>
constexpr int kOwn = kSmall<T> * kSmall<T> / kThreads;  // pixels of a thread on the first one
constexpr int kVisits = 2;  // cycles over these grids in each over all: smooth errors of wide holes are theirs to see

// The coarse field of h x w pixels, interpolated to pixel (y, x) of the grid of height x width.
template <typename T>
__device__ T interpolated(const T* coarse, int h, int w, int height, int width, int y, int x) {
  T sum = 0;
  for (int cy = y / 2; cy <= (y + 1) / 2 && cy < h; ++cy) {
    for (int cx = x / 2; cx <= (x + 1) / 2 && cx < w; ++cx) {
      sum += static_cast<T>(weight(y, cy, height) * weight(x, cx, width)) * coarse[cy * w + cx];
    }
  }
  return sum;
}

// One grid of a block, with its fields in shared memory.
template <typename T>
struct Small {
  CoarseMatrix<T> matrix;
  T *v, *b;
  int height, width;

  __device__ int pixels() const { return height * width; }
  __device__ T diagonal(int i) const { return matrix.diagonal(matrix.kinds[i], i / width, i % width); }
  __device__ T coupled(int i) const {
    const int y = i / width, x = i % width;
    T sum = 0;
#pragma unroll
    for (int k = 0; k < 9; ++k) {
      const int dy = k / 3 - 1, dx = k % 3 - 1;
      const bool inside = y + dy >= 0 && x + dx >= 0 && y + dy < height && x + dx < width;
      const T value = k != kCenter && inside ? v[i + dy * width + dx] : T(0);  // 0 at known pixels
      if (value != T(0)) sum += value * matrix(matrix.kinds[i], y, x, k);
    }
    return sum;
  }
  __device__ T residual(int i) const {
    const T d = diagonal(i);
    return d > T(0) ? b[i] - d * v[i] - coupled(i) : T(0);
  }
  // f(i) of every pixel becomes its v; all are read before one is written.
  template <typename F>
  __device__ void set(const F& f) const {
    T next[kOwn<T>];
#pragma unroll
    for (int k = 0; k < kOwn<T>; ++k) {
      const int i = threadIdx.x + k * kThreads;
      if (i < pixels()) next[k] = diagonal(i) > T(0) ? f(i) : T(0);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kOwn<T>; ++k) {
      const int i = threadIdx.x + k * kThreads;
      if (i < pixels()) v[i] = next[k];
    }
    __syncthreads();
  }
  __device__ void relax(float omega) const {
    set([&](int i) { return relaxed(v[i], b[i], coupled(i), diagonal(i), omega); });
  }
  __device__ void restrict_to(const Small& coarse) const {
    for (int c = threadIdx.x; c < coarse.pixels(); c += kThreads) {
      const int cy = c / coarse.width, cx = c % coarse.width;
      T sum = 0;
      for (int y = max(2 * cy - 1, 0); coarse.diagonal(c) > T(0) && y <= min(2 * cy + 1, height - 1); ++y) {
        for (int x = max(2 * cx - 1, 0); x <= min(2 * cx + 1, width - 1); ++x) {
          sum += static_cast<T>(weight(y, cy, height) * weight(x, cx, width)) * residual(y * width + x);
        }
      }
      coarse.b[c] = sum;
    }
    __syncthreads();
  }
};

// The rest of a cycle from level `first` down, a block a plane: v of that level from its b.
template <typename T>
__global__ void small_kernel(Grid<T> g, int first) {
  __shared__ T values[kPixels<T>];
  __shared__ T sides[kPixels<T>];  // right-hand ones
  const int64_t plane = blockIdx.x;
  if (g.progress[plane].done) return;
  const auto grid = [&](int n, int start) {
    const Level<T>& l = g.levels[n];
    return Small<T>{CoarseMatrix<T>(g, l, g.mask_of(plane)), values + start, sides + start, l.height, l.width};
  };
  const Small<T> top = grid(first, 0);
  T* out = g.levels[first].v + plane * top.pixels();
  for (int i = threadIdx.x; i < top.pixels(); i += kThreads) {
    top.b[i] = top.diagonal(i) > T(0) ? g.levels[first].b[plane * top.pixels() + i] : T(0);
  }
  __syncthreads();
  for (int visit = 0; visit < kVisits; ++visit) {
    int start = 0;
    for (int n = first; n + 1 < g.count; ++n) {
      const Small<T> l = grid(n, start);
      start += l.pixels();
      l.set([&](int i) { return static_cast<T>(kFirst) * l.b[i] / l.diagonal(i); });
      l.relax(kSecond);
      l.restrict_to(grid(n + 1, start));
    }
    const Small<T> last = grid(g.count - 1, start);  // one pixel
    last.set([&](int i) { return last.b[i] / last.diagonal(i); });
    for (int n = g.count - 2; n >= first; --n) {
      const Small<T> coarse = grid(n + 1, start);
      start -= g.levels[n].pixels();
      const Small<T> l = grid(n, start);
      l.set([&](int i) {
        return l.v[i] +
               interpolated(coarse.v, coarse.height, coarse.width, l.height, l.width, i / l.width, i % l.width);
      });
      l.relax(kSecond);
      l.relax(kFirst);
    }
    for (int i = threadIdx.x; i < top.pixels(); i += kThreads) {  // then the same for what is left of b
      out[i] = top.v[i] + (visit > 0 ? out[i] : T(0));
      top.b[i] = top.residual(i);
    }
    __syncthreads();
  }
}

}  // namespace

template <typename T>
bool solve_small(const Grid<T>& g, int n) {
  if (g.levels[n].height > kSmall<T> || g.levels[n].width > kSmall<T>) return false;
  small_kernel<<<static_cast<unsigned>(g.planes), kThreads, 0, cuda_stream(g.stream)>>>(g, n);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  return true;
}

template bool solve_small(const Grid<float>&, int);
template bool solve_small(const Grid<double>&, int);

}  // namespace inpaintx::poisson::device
