// A multigrid V-cycle for the blend on CUDA, many planes at once: vertex-centered coarsening, bilinear interpolation
// that is zero at known pixels, Galerkin coarse operators, two Jacobi steps with Chebyshev factors before and, in the
// other order, after: symmetric, as conjugate gradients need it. The CPU's cycle (all smoothing on the way up,
// red-black, a fitted set of factors) is not symmetric and cannot stand here.
//
// Two passes a level, on tiles in shared memory. Down: two steps from zero, residual, restriction; what comes out is
// the next level's right-hand side alone; on the finest grid the solution takes its step before. Up: the same two steps
// again, which cost less than storing them, interpolation, two steps. Small grids are one block's work a plane
// (small_grids.cu). A step reads no field that it writes, so that steps have no order among pixels and the result is
// the same at every run.
#include "poisson/cuda/tile.h"

namespace inpaintx::poisson::device {
namespace {

// The residual of the finest grid's solution after so many steps, at the pixels within such a rim. With kAdvance the
// latest step is added to the solution first, and what comes out is stored.
template <bool kAdvance, typename T>
__device__ void load_residual(const Grid<T>& g, const Place<T, true>& p, Fields<T>& f, int steps, int rim) {
  const Progress progress = g.progress[p.plane];
  each_pixel<T>(rim + 1, [&](int y, int x) {
    const int i = y * kSide<T> + x;
    const int64_t at = p.at(y, x);
    T v = 0;
    if (f.kind[i] == kKnown) {
      if (!g.rhs && f.next_to_hole(y, x) && p.inside(y, x)) v = g.solution[0][at];
    } else if (kAdvance) {
      v = advanced(g, progress, steps, at);
      if (steps > 1 && p.own(y, x)) g.solution[steps % 3][at] = v;
    } else {
      v = solution(g, progress, steps, at);
    }
    f.v[i] = v;
  });
  __syncthreads();
  each_pixel<T>(rim, [&](int y, int x) {
    const int i = y * kSide<T> + x;
    T r = 0;
    if (f.kind[i] != kKnown) {
      // Differences of neighbors are exact, or nearly; what rounding leaves of sums and products is much where hardly a
      // pixel is known.
      const T v = f.v[i];
      const auto add = [&](int ny, int nx) { r += p.inside(ny, nx) ? f.v[ny * kSide<T> + nx] - v : T(0); };
      add(y - 1, x);
      add(y, x - 1);
      add(y, x + 1);
      add(y + 1, x);
      if (g.rhs) r += g.rhs[p.at(y, x)];
    }
    f.b[i] = r;
  });
  __syncthreads();
}

// b of another grid, likewise.
template <typename T>
__device__ void load_b(const Level<T>& l, const Place<T, false>& p, Fields<T>& f, int rim) {
  each_pixel<T>(rim, [&](int y, int x) {
    const int i = y * kSide<T> + x;
    f.b[i] = f.kind[i] != kKnown ? l.b[p.at(y, x)] : T(0);
  });
  __syncthreads();
}

// v = two steps from zero, at the pixels within such a rim, from b within one of a pixel more.
template <typename T, bool kFinest>
__device__ void smooth_from_zero(const Place<T, kFinest>& p, Fields<T>& f, int rim) {
  each_pixel<T>(rim + 1, [&](int y, int x) {
    const int i = y * kSide<T> + x;
    const uint8_t kind = f.kind[i];
    f.other[i] = kind != kKnown ? static_cast<T>(kFirst) * f.b[i] / p.diagonal(kind, y, x) : T(0);
  });
  __syncthreads();
  each_pixel<T>(rim, [&](int y, int x) {
    const int i = y * kSide<T> + x;
    f.v[i] = p.relaxed(f, f.other, y, x, kSecond);
  });
  __syncthreads();
}

// The way down from a grid: its residual after two steps is the next one's b.
template <typename T, bool kFinest>
__global__ void down_kernel(Grid<T> g, Level<T> l, Level<T> coarse, int step) {
  using Tile = Fields<T>;
  __shared__ Tile f;
  __shared__ int unknown;
  for (int64_t tile = blockIdx.x; tile < g.planes * tiles_of<T>(l.height, l.width); tile += gridDim.x) {
    const Place<T, kFinest> p(g, l, tile);  // alike for all threads of the block, as what follows
    if (g.progress[p.plane].done || !load_kinds(p, f, &unknown)) continue;
    if constexpr (kFinest) {
      load_residual<true>(g, p, f, step, 3);
    } else {
      load_b(l, p, f, 3);
    }
    smooth_from_zero(p, f, 2);
    each_pixel<T>(1, [&](int y, int x) {
      const int i = y * kSide<T> + x;
      const uint8_t kind = f.kind[i];
      T r = 0;
      if (kind != kKnown) r = f.b[i] - p.product(kind, f.v, y, x);
      f.other[i] = r;
    });
    __syncthreads();
    constexpr int kHalf = kCore<T> / 2;
    for (int i = threadIdx.x; i < kHalf * kHalf; i += kThreads) {
      const int y = kRim + 2 * (i / kHalf), x = kRim + 2 * (i % kHalf);
      if (f.kind[y * kSide<T> + x] == kKnown) continue;
      const int fine_y = p.top + y, fine_x = p.left + x;
      T sum = 0;
      for (int v = -1; v <= 1; ++v) {
        for (int u = -1; u <= 1; ++u) {
          sum += static_cast<T>(weight(fine_y + v, fine_y / 2, l.height) * weight(fine_x + u, fine_x / 2, l.width)) *
                 f.other[(y + v) * kSide<T> + x + u];
        }
      }
      coarse.b[(p.plane * coarse.height + fine_y / 2) * coarse.width + fine_x / 2] = sum;
    }
  }
}

// What pixel (y, x) of a tile takes from the coarse grid's v, of which unknown pixels alone are read.
template <typename T, bool kFinest>
__device__ T interpolated(const T* v, const Level<T>& coarse, const Place<T, kFinest>& p, const Fields<T>& f, int y,
                          int x) {
  T sum = 0;
  const int fine_y = p.top + y, fine_x = p.left + x;
  for (int cy = fine_y / 2; cy <= (fine_y + 1) / 2 && cy < coarse.height; ++cy) {
    for (int cx = fine_x / 2; cx <= (fine_x + 1) / 2 && cx < coarse.width; ++cx) {
      if (f.kind[(2 * cy - p.top) * kSide<T> + 2 * cx - p.left] == kKnown) continue;
      sum += static_cast<T>(weight(fine_y, cy, p.height) * weight(fine_x, cx, p.width)) * v[cy * coarse.width + cx];
    }
  }
  return sum;
}

// The way up to a grid: v from its b and the coarser grid's v. On the finest grid the tile's sums are left too.
template <typename T, bool kFinest>
__global__ void up_kernel(Grid<T> g, Level<T> l, Level<T> coarse, int step) {
  using Tile = Fields<T>;
  __shared__ Tile f;
  __shared__ int unknown;
  __shared__ Sums shared[kThreads];
  constexpr int kMore = kFinest ? 1 : 0;  // A M r takes a pixel more
  for (int64_t tile = blockIdx.x; tile < g.planes * tiles_of<T>(l.height, l.width); tile += gridDim.x) {
    const Place<T, kFinest> p(g, l, tile);  // alike for all threads of the block, as what follows
    if (g.progress[p.plane].done) continue;
    Sums sums{};
    if (load_kinds(p, f, &unknown)) {
      if constexpr (kFinest) {
        load_residual<false>(g, p, f, step, 3 + kMore);
      } else {
        load_b(l, p, f, 3);
      }
      smooth_from_zero(p, f, 2 + kMore);
      const T* from = coarse.v + p.plane * coarse.pixels();
      each_pixel<T>(2 + kMore, [&](int y, int x) {
        const int i = y * kSide<T> + x;
        if (f.kind[i] != kKnown) f.v[i] += interpolated(from, coarse, p, f, y, x);
      });
      __syncthreads();
      each_pixel<T>(1 + kMore, [&](int y, int x) {
        const int i = y * kSide<T> + x;
        f.other[i] = p.relaxed(f, f.v, y, x, kSecond);
      });
      __syncthreads();
      T* to = !kFinest ? l.v : step == 0 ? g.solution[1] : g.preconditioned;
      each_pixel<T>(kMore, [&](int y, int x) {
        const int i = y * kSide<T> + x;
        const T v = p.relaxed(f, f.other, y, x, kFirst);
        f.v[i] = v;
        if (f.kind[i] != kKnown && p.own(y, x)) to[p.at(y, x)] = v;
      });
      __syncthreads();
      each_pixel<T>(0, [&](int y, int x) {
        const int i = y * kSide<T> + x;
        const uint8_t kind = f.kind[i];
        if (!kFinest || kind == kKnown) return;
        const auto value = static_cast<double>(f.v[i]), product = static_cast<double>(p.product(kind, f.v, y, x));
        sums.add({value * static_cast<double>(f.b[i]), value * product, fabs(value)});
      });
    }
    if (!kFinest) continue;
    sums = reduce(sums, shared);
    if (threadIdx.x == 0) g.partial[tile] = sums;
  }
}

// The hole's bits, a thread a word.
template <typename T>
__global__ void pack_kernel(Grid<T> g, const bool* hole) {
  const int width = g.levels[0].width;
  INPAINTX_GRID_LOOP(i, g.masks * g.levels[0].height * g.words()) {
    const int64_t row = i / g.words();
    const int first = static_cast<int>(i % g.words()) * 32;
    uint32_t bits = 0;
    for (int x = first; x < min(first + 32, width); ++x) bits |= uint32_t(hole[row * width + x]) << (x - first);
    g.hole[i] = bits;
  }
}

// Kinds and stencils P^T A P of a coarse grid, a thread a coarse pixel of a mask: over its nine fine pixels, each one's
// nine neighbors, and the up to four coarse pixels that a neighbor is interpolated from. Run once a mask, so that
// clarity comes before speed.
template <typename T, bool kFinest>
__global__ void galerkin_kernel(Grid<T> g, Level<T> l, Level<T> coarse) {
  const int64_t pixels = coarse.pixels();
  INPAINTX_GRID_LOOP(i, g.masks * pixels) {
    const int64_t mask = i / pixels;
    const int cy = static_cast<int>(i % pixels) / coarse.width, cx = static_cast<int>(i % pixels) % coarse.width;
    const Matrix<T, kFinest> matrix(g, l, mask);
    const CoarseMatrix<T> made(g, coarse, mask);
    const auto inside = [&](int y, int x) { return y >= 0 && x >= 0 && y < l.height && x < l.width; };
    const auto unknown = [&](int y, int x) { return matrix.kind(y, x) != kKnown; };
    const auto of = [&](int y, int x, int dy, int dx) {
      if (!unknown(y, x) || !unknown(y + dy, x + dx)) return T(0);
      const uint8_t kind = matrix.kind(y, x);
      return dy == 0 && dx == 0 ? matrix.diagonal(kind, y, x) : matrix(kind, y, x, (dy + 1) * 3 + dx + 1);
    };
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
    bool interior = true;
    for (int k = 0; k < 9; ++k) interior &= sum[k] == made.interior(k);
    const bool mixed = !interior && sum[kCenter] > T(0);
    coarse.kind[i] = interior ? kInterior : mixed ? kMixed : kKnown;
    for (int k = 0; mixed && k < kStored; ++k) {
      coarse.stencil[(mask * kStored + k) * pixels + i % pixels] = sum[kCenter + k];
    }
  }
}

template <typename T>
unsigned blocks_of(const Grid<T>& g, const Level<T>& l) {
  return blocks_for(g.planes * tiles_of<T>(l.height, l.width), 1);
}

// v of level n from its b.
template <typename T>
void solve_level(const Grid<T>& g, int n, int step) {
  if (solve_small(g, n)) return;
  const Level<T>&l = g.levels[n], &coarse = g.levels[n + 1];
  const auto stream = cuda_stream(g.stream);
  down_kernel<T, false><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, step);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  solve_level(g, n + 1, step);
  up_kernel<T, false><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, step);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

template <typename T>
int64_t Grid<T>::parts() const {
  return tiles_of<T>(levels[0].height, levels[0].width);
}

template <typename T>
void prepare(const Grid<T>& g, const bool* hole) {
  const auto stream = cuda_stream(g.stream);
  pack_kernel<<<blocks_for(g.masks * g.levels[0].height * g.words()), kThreads, 0, stream>>>(g, hole);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  for (int n = 1; n < g.count; ++n) {
    const Level<T>&l = g.levels[n - 1], &coarse = g.levels[n];
    const unsigned blocks = blocks_for(g.masks * coarse.pixels());
    if (n == 1) {
      galerkin_kernel<T, true><<<blocks, kThreads, 0, stream>>>(g, l, coarse);
    } else {
      galerkin_kernel<T, false><<<blocks, kThreads, 0, stream>>>(g, l, coarse);
    }
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template <typename T>
void precondition(const Grid<T>& g, int step) {
  const Level<T>&l = g.levels[0], &coarse = g.levels[1];
  const auto stream = cuda_stream(g.stream);
  down_kernel<T, true><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, step);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  solve_level(g, 1, step);
  up_kernel<T, true><<<blocks_of(g, l), kThreads, 0, stream>>>(g, l, coarse, step);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template int64_t Grid<float>::parts() const;
template int64_t Grid<double>::parts() const;
template void prepare(const Grid<float>&, const bool*);
template void prepare(const Grid<double>&, const bool*);
template void precondition(const Grid<float>&, int);
template void precondition(const Grid<double>&, int);

}  // namespace inpaintx::poisson::device
