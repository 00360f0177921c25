// A multigrid V-cycle for the blend on CUDA, many planes at once: vertex-centered coarsening, bilinear interpolation
// that is zero at known pixels, Galerkin coarse operators, two Jacobi steps with Chebyshev factors before and, in the
// other order, after: symmetric, as conjugate gradients need it. The CPU's cycle (all smoothing on the way up,
// red-black, a fitted set of factors) is not symmetric and cannot stand here.
//
// Two passes a level, on tiles in shared memory. Down: two steps from zero, residual, restriction; what comes out is
// the next level's right-hand side alone. Up: the same two steps again, which cost less than storing them,
// interpolation, two steps. Grids of 64 x 64 pixels and less (32 x 32 in double) are one block's work a plane. A step
// reads no field that it writes, so that steps have no order among pixels and the result is the same at every run.
#include "poisson/cuda/tile.h"

namespace inpaintx::poisson::device {
namespace {

// Chebyshev nodes of the upper three quarters of the spectrum of D^-1 A, which lies in (0, 2].
constexpr float kFirst = 0.5617f, kSecond = 1.3896f;

// One Jacobi step at an unknown pixel; `coupled` is the sum over its neighbors.
template <typename T>
__device__ __forceinline__ T relaxed(T v, T b, T coupled, T diagonal, float omega) {
  return v + static_cast<T>(omega) * ((b - coupled) / diagonal - v);
}

// How much the fine row (or column) `at` takes from the coarse one `coarse`; beyond the photo's edge there is none, and
// the last one stands for it.
__device__ inline float weight(int at, int coarse, int size) {
  if (at == 2 * coarse) return 1;
  return at == 2 * coarse + 1 && at == size - 1 ? 1 : 0.5f;
}

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

// v = two steps from zero, at the pixels within a rim of 2, from diagonal and b within one of 3.
template <typename T, bool kFinest>
__device__ void smooth_from_zero(const Place<T, kFinest>& p, Fields<T>& f) {
  each_pixel<T>(3, [&](int y, int x) {
    const int i = y * kSide<T> + x;
    f.other[i] = f.diagonal[i] > T(0) ? static_cast<T>(kFirst) * f.b[i] / f.diagonal[i] : T(0);
  });
  __syncthreads();
  each_pixel<T>(2, [&](int y, int x) {
    const int i = y * kSide<T> + x;
    const T d = f.diagonal[i];
    f.v[i] = d > T(0) ? relaxed(f.other[i], f.b[i], p.coupled(f.other, y, x), d, kSecond) : T(0);
  });
  __syncthreads();
}

// The way down from a grid. With kAdvance, on the finest grid, the residual takes its step of conjugate gradients
// first: r -= alpha A p, from r and p in `old` and `direction` to `b`.
template <typename T, bool kFinest, bool kAdvance>
__global__ void down_kernel(Grid<T> g, Level<T> l, Level<T> coarse, T* b, const T* old, const T* direction) {
  using Tile = Fields<T>;
  __shared__ Tile f;
  for (int64_t tile = blockIdx.x; tile < g.planes * tiles_of<T>(l.height, l.width); tile += gridDim.x) {
    const Place<T, kFinest> p(g, l, tile);  // alike for all threads of the block, as what follows
    if (g.progress[p.plane].done) continue;
    each_pixel<T>(kRim, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const T d = p.diagonal(y, x);
      f.diagonal[i] = d;
      if (kAdvance) f.other[i] = d > T(0) ? direction[p.start + p.pixel(y, x)] : T(0);
    });
    __syncthreads();
    const T alpha = static_cast<T>(g.progress[p.plane].alpha);
    each_pixel<T>(3, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const T d = f.diagonal[i];
      T r = 0;
      if (d > T(0)) {
        const int64_t at = p.start + p.pixel(y, x);
        r = kAdvance ? old[at] - alpha * (d * f.other[i] + p.coupled(f.other, y, x)) : b[at];
        const bool own = y >= kRim && x >= kRim && y < kRim + kCore<T> && x < kRim + kCore<T>;
        if (kAdvance && own) b[at] = r;
      }
      f.b[i] = r;
    });
    __syncthreads();
    smooth_from_zero(p, f);
    each_pixel<T>(1, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      f.other[i] = f.diagonal[i] > T(0) ? f.b[i] - f.diagonal[i] * f.v[i] - p.coupled(f.v, y, x) : T(0);
    });
    __syncthreads();
    constexpr int kHalf = kCore<T> / 2;
    for (int i = threadIdx.x; i < kHalf * kHalf; i += kThreads) {
      const int y = kRim + 2 * (i / kHalf), x = kRim + 2 * (i % kHalf);
      if (!p.inside(y, x)) continue;
      const int fine_y = p.top + y, fine_x = p.left + x;
      T sum = 0;
      for (int v = -1; f.diagonal[y * kSide<T> + x] > T(0) && v <= 1; ++v) {
        for (int u = -1; u <= 1; ++u) {
          sum += static_cast<T>(weight(fine_y + v, fine_y / 2, l.height) * weight(fine_x + u, fine_x / 2, l.width)) *
                 f.other[(y + v) * kSide<T> + x + u];
        }
      }
      coarse.b[(p.plane * coarse.height + fine_y / 2) * coarse.width + fine_x / 2] = sum;
    }
    __syncthreads();
  }
}

// The way up to a grid: v from its b and the coarser grid's v. On the finest grid the tile's sum of b v is left too.
template <typename T, bool kFinest>
__global__ void up_kernel(Grid<T> g, Level<T> l, Level<T> coarse, const T* b, T* v) {
  using Tile = Fields<T>;
  __shared__ Tile f;
  __shared__ double shared[kShared];
  for (int64_t tile = blockIdx.x; tile < g.planes * tiles_of<T>(l.height, l.width); tile += gridDim.x) {
    const Place<T, kFinest> p(g, l, tile);  // alike for all threads of the block, as what follows
    if (g.progress[p.plane].done) continue;
    each_pixel<T>(3, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const T d = p.diagonal(y, x);
      f.diagonal[i] = d;
      f.b[i] = d > T(0) ? b[p.start + p.pixel(y, x)] : T(0);
    });
    __syncthreads();
    smooth_from_zero(p, f);
    const T* from = coarse.v + p.plane * coarse.height * coarse.width;
    each_pixel<T>(2, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      if (!(f.diagonal[i] > T(0))) return;
      f.v[i] += interpolated(from, coarse.height, coarse.width, l.height, l.width, p.top + y, p.left + x);
    });
    __syncthreads();
    each_pixel<T>(1, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const T d = f.diagonal[i];
      f.other[i] = d > T(0) ? relaxed(f.v[i], f.b[i], p.coupled(f.v, y, x), d, kSecond) : T(0);
    });
    __syncthreads();
    double product = 0;
    each_pixel<T>(0, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const T d = f.diagonal[i];
      T value = 0;
      if (d > T(0)) {
        value = relaxed(f.other[i], f.b[i], p.coupled(f.other, y, x), d, kFirst);
        product += static_cast<double>(value) * static_cast<double>(f.b[i]);
      }
      if (d > T(0) || (!kFinest && p.inside(y, x))) v[p.start + p.pixel(y, x)] = value;
    });
    if (kFinest) leave_partial(g.partial, tile, product, 0, shared);
    __syncthreads();
  }
}

// --- what one block solves ---

template <typename T>
constexpr int kSmall = sizeof(T) == 4 ? 64 : 32;  // rows and columns at most
template <typename T>
constexpr int kPixels = kSmall<T> * kSmall<T> * 4 / 3 + kMostLevels;  // of all its grids: a geometric series
template <typename T>
constexpr int kOwn = kSmall<T> * kSmall<T> / kThreads;  // pixels of a thread on the first one
constexpr int kVisits = 2;  // cycles over these grids in each over all: smooth errors of wide holes are theirs to see

// One grid of a block, with its fields in shared memory.
template <typename T>
struct Small {
  const T* stencil;
  T *v, *b;
  int height, width;

  __device__ int pixels() const { return height * width; }
  __device__ T diagonal(int i) const { return stencil[i]; }
  __device__ T coupled(int i) const {
    const int y = i / width, x = i % width;
    T sum = 0;
#pragma unroll
    for (int k = 0; k < 9; ++k) {
      const int dy = k / 3 - 1, dx = k % 3 - 1;
      const bool inside = y + dy >= 0 && x + dx >= 0 && y + dy < height && x + dx < width;
      const int offset = dy * width + dx;
      if (k != kCenter && inside) sum += coefficient(stencil, pixels(), i, k, offset) * v[i + offset];
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
  const int64_t plane = blockIdx.x, mask = g.masks == 1 ? 0 : plane / g.channels;
  if (g.progress[plane].done) return;
  const auto grid = [&](int n, int start) {
    const Level<T>& l = g.levels[n];
    return Small<T>{l.stencil + kStored * mask * l.pixels(), values + start, sides + start, l.height, l.width};
  };
  const Small<T> top = grid(first, 0);
  T* out = g.levels[first].v + plane * top.pixels();
  for (int i = threadIdx.x; i < top.pixels(); i += kThreads) top.b[i] = g.levels[first].b[plane * top.pixels() + i];
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

template <typename T>
// Coarse stencils P^T A P, a thread a coarse pixel of a mask: over its nine fine pixels, each one's nine neighbors, and
// the up to four coarse pixels that a neighbor is interpolated from. Run once a mask, so that clarity comes before
// speed.
__global__ void galerkin_kernel(const bool* hole, Level<T> l, Level<T> coarse, int64_t masks) {
  const int64_t pixels = coarse.pixels();
  INPAINTX_GRID_LOOP(i, masks * pixels) {
    const int64_t mask = i / pixels;
    const int cy = static_cast<int>(i % pixels) / coarse.width, cx = static_cast<int>(i % pixels) % coarse.width;
    const auto inside = [&](int y, int x) { return y >= 0 && x >= 0 && y < l.height && x < l.width; };
    const auto of = [&](int y, int x, int dy, int dx) {
      const int at = y * l.width + x, k = (dy + 1) * 3 + dx + 1;
      if (l.stencil) {
        return coefficient(l.stencil + mask * kStored * l.pixels(), l.pixels(), at, k, dy * l.width + dx);
      }
      const bool* holes = hole + mask * l.pixels();
      if (!holes[at]) return T(0);
      if (dy == 0 && dx == 0) return T((y > 0) + (x > 0) + (y + 1 < l.height) + (x + 1 < l.width));
      return (dy == 0 || dx == 0) && holes[at + dy * l.width + dx] ? T(-1) : T(0);
    };
    const auto unknown = [&](int y, int x) { return of(y, x, 0, 0) > T(0); };
    T sum[9] = {};
    for (int y = 2 * cy - 1; unknown(2 * cy, 2 * cx) && y <= 2 * cy + 1; ++y) {
      for (int x = 2 * cx - 1; x <= 2 * cx + 1; ++x) {
        if (!inside(y, x)) continue;
        const T row = static_cast<T>(weight(y, cy, l.height) * weight(x, cx, l.width));
        for (int dy = -1; dy <= 1; ++dy) {
          for (int dx = -1; dx <= 1; ++dx) {
            const int ny = y + dy, nx = x + dx;
            if (!inside(ny, nx)) continue;
            const T c = of(y, x, dy, dx);
            if (c == T(0)) continue;
            for (int ky = ny / 2; ky <= (ny + 1) / 2 && ky < coarse.height; ++ky) {
              for (int kx = nx / 2; kx <= (nx + 1) / 2 && kx < coarse.width; ++kx) {
                if (!unknown(2 * ky, 2 * kx)) continue;
                sum[(ky - cy + 1) * 3 + kx - cx + 1] +=
                    row * c * static_cast<T>(weight(ny, ky, l.height) * weight(nx, kx, l.width));
              }
            }
          }
        }
      }
    }
    for (int k = 0; k < kStored; ++k) coarse.stencil[(mask * kStored + k) * pixels + i % pixels] = sum[kCenter + k];
  }
}

template <typename T>
unsigned blocks_of(const Grid<T>& g, const Level<T>& l) {
  return blocks_for(g.planes * tiles_of<T>(l.height, l.width), 1);
}

// v of level n from its b.
template <typename T>
void solve_level(const Grid<T>& g, int n) {
  const Level<T>& l = g.levels[n];
  const auto stream = cuda_stream(g.stream);
  const T* none = nullptr;
  if (l.height <= kSmall<T> && l.width <= kSmall<T>) {
    small_kernel<<<static_cast<unsigned>(g.planes), kThreads, 0, stream>>>(g, n);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    return;
  }
  const Level<T>& coarse = g.levels[n + 1];
  down_kernel<T, false, false><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, l.b, none, none);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  solve_level(g, n + 1);
  up_kernel<T, false><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, static_cast<const T*>(l.b), l.v);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

template <typename T>
int64_t Grid<T>::parts() const {
  return tiles_of<T>(levels[0].height, levels[0].width);
}

template <typename T>
void prepare(const Grid<T>& g) {
  for (int n = 1; n < g.count; ++n) {
    const Level<T>& coarse = g.levels[n];
    galerkin_kernel<<<blocks_for(g.masks * coarse.pixels()), kThreads, 0, cuda_stream(g.stream)>>>(
        g.hole, g.levels[n - 1], coarse, g.masks);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template <typename T>
void precondition(const Grid<T>& g, int step, T* out) {
  const Level<T>&l = g.levels[0], &coarse = g.levels[1];
  const auto stream = cuda_stream(g.stream);
  T* b = g.residual[step % 2];
  const T *old = g.residual[(step + 1) % 2], *direction = g.direction[(step + 1) % 2];
  if (step == 0) {
    down_kernel<T, true, false><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, b, old, direction);
  } else {
    down_kernel<T, true, true><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, b, old, direction);
  }
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  solve_level(g, 1);
  up_kernel<T, true><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, static_cast<const T*>(b), out);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template int64_t Grid<float>::parts() const;
template int64_t Grid<double>::parts() const;
template void prepare(const Grid<float>&);
template void prepare(const Grid<double>&);
template void precondition(const Grid<float>&, int, float*);
template void precondition(const Grid<double>&, int, double*);

}  // namespace inpaintx::poisson::device
