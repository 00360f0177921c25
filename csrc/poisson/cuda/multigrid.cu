// Multigrid V-cycles for the blend on CUDA, many planes at once: vertex-centered coarsening, bilinear interpolation
// that is zero at known pixels, Galerkin coarse operators, two Jacobi steps with Chebyshev factors before and, in the
// other order, after: symmetric, as conjugate gradients need it. The CPU's cycle (all smoothing on the way up,
// red-black, a fitted set of factors) is not symmetric and cannot stand here.
//
// A kernel a step and level, down to grids of 32 x 32 pixels, which one block of threads takes through the rest of the
// cycle without a launch. v and other are read and written by turns: no step reads a field that it writes, so that
// steps have no order among pixels and the result is the same at every run.
#include "poisson/cuda/device_level.h"

namespace inpaintx::poisson::device {
namespace {

// Chebyshev nodes of the upper three quarters of the spectrum of D^-1 A, which lies in (0, 2].
constexpr double kFirst = 0.5617, kSecond = 1.3896;
constexpr double kExact = 1;  // on the coarsest grid, which is one pixel

// One Jacobi step at p from the field `value`.
template <typename T, typename Value>
__device__ T relaxed(const Level<T>& l, const Point& p, double omega, const Value& value) {
  const T diagonal = coefficient(l, p.mask, p.y, p.x, 0, 0);
  if (!(diagonal > T(0))) return T(0);
  const T v = value(p.y, p.x), b = l.b[(p.plane * l.height + p.y) * l.width + p.x];
  return v + static_cast<T>(omega) * ((b - coupled(l, p, value)) / diagonal - v);
}

// How much the fine row (or column) `at` takes from the coarse one `coarse`; beyond the photo's edge there is none, and
// the last one stands for it.
__device__ inline double weight(int64_t at, int64_t coarse, int64_t size) {
  if (at == 2 * coarse) return 1;
  return at == 2 * coarse + 1 && at == size - 1 ? 1 : 0.5;
}

template <typename T>
__device__ T interpolated(const Level<T>& fine, const Level<T>& coarse, int64_t plane, int64_t y, int64_t x) {
  T sum = 0;
  for (int64_t cy = y / 2; cy <= (y + 1) / 2 && cy < coarse.height; ++cy) {
    for (int64_t cx = x / 2; cx <= (x + 1) / 2 && cx < coarse.width; ++cx) {
      sum += static_cast<T>(weight(y, cy, fine.height) * weight(x, cx, fine.width)) *
             coarse.v[(plane * coarse.height + cy) * coarse.width + cx];
    }
  }
  return sum;
}

// --- the steps of a cycle at one pixel i of level l ---

template <typename T>
__device__ void start_at(const Grid<T>& g, const Level<T>& l, int64_t i) {  // two steps from zero
  const Point p = point_of(g, l, i);
  l.v[i] = relaxed(l, p, kSecond, [&](int64_t y, int64_t x) {
    const T d = coefficient(l, p.mask, y, x, 0, 0);
    return d > T(0) ? static_cast<T>(kFirst) * l.b[(p.plane * l.height + y) * l.width + x] / d : T(0);
  });
}

template <typename T>
__device__ void relax_at(const Grid<T>& g, const Level<T>& l, const T* from, T* to, double omega, int64_t i) {
  const Point p = point_of(g, l, i);
  const T* plane = from + p.plane * l.height * l.width;
  to[i] = relaxed(l, p, omega, [&](int64_t y, int64_t x) { return plane[y * l.width + x]; });
}

template <typename T>
__device__ void restrict_at(const Grid<T>& g, const Level<T>& l, const Level<T>& coarse, int64_t i) {
  const Point c = point_of(g, coarse, i);
  T sum = 0;
  if (coefficient(coarse, c.mask, c.y, c.x, 0, 0) > T(0)) {
    const T* v = l.v + c.plane * l.height * l.width;
    for (int64_t y = 2 * c.y - 1; y <= 2 * c.y + 1; ++y) {
      for (int64_t x = 2 * c.x - 1; x <= 2 * c.x + 1; ++x) {
        if (!inside(l, y, x)) continue;
        const Point p{c.mask, c.plane, y, x};
        const T diagonal = coefficient(l, p.mask, y, x, 0, 0);
        if (!(diagonal > T(0))) continue;
        const T near = coupled(l, p, [&](int64_t u, int64_t w) { return v[u * l.width + w]; });
        const T residual = l.b[(c.plane * l.height + y) * l.width + x] - diagonal * v[y * l.width + x] - near;
        sum += static_cast<T>(weight(y, c.y, l.height) * weight(x, c.x, l.width)) * residual;
      }
    }
  }
  coarse.b[i] = sum;
}

template <typename T>
__device__ void correct_at(const Grid<T>& g, const Level<T>& l, const Level<T>& coarse, int64_t i) {
  const Point p = point_of(g, l, i);
  const T* v = l.v + p.plane * l.height * l.width;
  l.other[i] = relaxed(
      l, p, kSecond, [&](int64_t y, int64_t x) { return v[y * l.width + x] + interpolated(l, coarse, p.plane, y, x); });
}

// --- kernels ---

template <typename T>
__global__ void start_kernel(Grid<T> g, Level<T> l) {
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) start_at(g, l, i);
}

template <typename T>
__global__ void relax_kernel(Grid<T> g, Level<T> l, const T* from, T* to, double omega) {
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) relax_at(g, l, from, to, omega, i);
}

template <typename T>
__global__ void restrict_kernel(Grid<T> g, Level<T> l, Level<T> coarse) {
  INPAINTX_GRID_LOOP(i, g.planes * coarse.height * coarse.width) restrict_at(g, l, coarse, i);
}

template <typename T>
__global__ void correct_kernel(Grid<T> g, Level<T> l, Level<T> coarse) {
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) correct_at(g, l, coarse, i);
}

#define INPAINTX_BLOCK_LOOP(i, level)                                                                                \
  for (int64_t n_ = (level).height * (level).width, i = blockIdx.x * n_ + threadIdx.x, end_ = (blockIdx.x + 1) * n_; \
       i < end_; i += blockDim.x)

// The rest of a cycle from level `first` down, a block a plane: b of that level is given, v comes out.
template <typename T>
__global__ void small_kernel(Grid<T> g, int first) {
  for (int n = first; n < g.count; ++n) {
    const Level<T>& l = g.levels[n];
    INPAINTX_BLOCK_LOOP(i, l) start_at(g, l, i);
    __syncthreads();
    if (n + 1 < g.count) INPAINTX_BLOCK_LOOP(i, g.levels[n + 1]) restrict_at(g, l, g.levels[n + 1], i);
    __syncthreads();
  }
  for (int n = g.count - 1; n >= first; --n) {
    const Level<T>& l = g.levels[n];
    INPAINTX_BLOCK_LOOP(i, l) {
      if (n + 1 < g.count) {
        correct_at(g, l, g.levels[n + 1], i);
      } else {
        relax_at(g, l, l.v, l.other, kExact, i);
      }
    }
    __syncthreads();
    INPAINTX_BLOCK_LOOP(i, l) relax_at(g, l, l.other, l.v, n + 1 < g.count ? kFirst : kExact, i);
    __syncthreads();
  }
}

template <typename T>
// Coarse stencils P^T A P, a thread a coarse pixel of a mask: over its nine fine pixels, each one's nine neighbors, and
// the up to four coarse pixels that a neighbor is interpolated from. Run once a mask, so that clarity comes before
// speed.
__global__ void galerkin_kernel(Level<T> l, Level<T> coarse, int64_t masks) {
  const int64_t pixels = coarse.height * coarse.width;
  INPAINTX_GRID_LOOP(i, masks * pixels) {
    const int64_t mask = i / pixels, cy = i / coarse.width % coarse.height, cx = i % coarse.width;
    const auto unknown = [&](int64_t y, int64_t x) { return coefficient(l, mask, y, x, 0, 0) > T(0); };
    T sum[9] = {};
    for (int64_t y = 2 * cy - 1; unknown(2 * cy, 2 * cx) && y <= 2 * cy + 1; ++y) {
      for (int64_t x = 2 * cx - 1; x <= 2 * cx + 1; ++x) {
        if (!inside(l, y, x)) continue;
        const T row = static_cast<T>(weight(y, cy, l.height) * weight(x, cx, l.width));
        for (int dy = -1; dy <= 1; ++dy) {
          for (int dx = -1; dx <= 1; ++dx) {
            const int64_t ny = y + dy, nx = x + dx;
            if (!inside(l, ny, nx)) continue;
            const T c = coefficient(l, mask, y, x, dy, dx);
            if (c == T(0)) continue;
            for (int64_t ky = ny / 2; ky <= (ny + 1) / 2 && ky < coarse.height; ++ky) {
              for (int64_t kx = nx / 2; kx <= (nx + 1) / 2 && kx < coarse.width; ++kx) {
                if (!unknown(2 * ky, 2 * kx)) continue;
                sum[(ky - cy + 1) * 3 + kx - cx + 1] +=
                    row * c * static_cast<T>(weight(ny, ky, l.height) * weight(nx, kx, l.width));
              }
            }
          }
        }
      }
    }
    for (int k = 0; k < 9; ++k) coarse.stencil[(mask * 9 + k) * pixels + i % pixels] = sum[k];
  }
}

// Sum of value(pixel) over the neighbors of p for which `counts` holds.
template <typename T, typename Counts, typename Value>
__device__ T over_neighbours(const Level<T>& l, const Point& p, const Counts& counts, const Value& value) {
  T sum = 0;
  for (int k = 0; k < 4; ++k) {
    const int64_t y = p.y + (k == 0 ? -1 : k == 3), x = p.x + (k == 1 ? -1 : k == 2);
    if (inside(l, y, x) && counts(hole_at(l, p.mask, y, x))) sum += value((p.plane * l.height + y) * l.width + x);
  }
  return sum;
}

template <typename T>
__global__ void gather_kernel(Grid<T> g, const T* fill, const T* image) {
  const Level<T>& l = g.levels[0];
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) {
    const Point p = point_of(g, l, i);
    l.b[i] = hole_at(l, p.mask, p.y, p.x)
                 ? over_neighbours(
                       l, p, [](bool hole) { return !hole; }, [&](int64_t q) { return image[q] - fill[q]; })
                 : T(0);
  }
}

template <typename T>
__global__ void compose_kernel(Grid<T> g, const T* fill, const T* image, T* out) {
  const Level<T>& l = g.levels[0];
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) {
    const Point p = point_of(g, l, i);
    out[i] = hole_at(l, p.mask, p.y, p.x) ? fill[i] + g.scale[p.plane] * g.solution[i] : image[i];
  }
}

template <typename T>
__global__ void start_adjoint_kernel(Grid<T> g, const T* grad) {
  const Level<T>& l = g.levels[0];
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) {
    const Point p = point_of(g, l, i);
    l.b[i] = hole_at(l, p.mask, p.y, p.x) ? grad[i] : T(0);
  }
}

template <typename T>
__global__ void scatter_kernel(Grid<T> g, const T* grad, T* grad_fill, T* grad_image) {
  const Level<T>& l = g.levels[0];
  INPAINTX_GRID_LOOP(i, g.planes * l.height * l.width) {
    const Point p = point_of(g, l, i);
    const bool hole = hole_at(l, p.mask, p.y, p.x);
    const T sum =
        hole ? T(0) : over_neighbours(l, p, [](bool near) { return near; }, [&](int64_t q) { return g.solution[q]; });
    const bool at_rim =
        !hole && over_neighbours(l, p, [](bool near) { return near; }, [](int64_t) { return T(1); }) > T(0);
    const T boundary = at_rim ? g.scale[p.plane] * sum : T(0);  // where that is NaN only the boundary is
    grad_fill[i] = hole ? grad[i] : -boundary;
    grad_image[i] = hole ? T(0) : grad[i] + boundary;
  }
}

template <typename T>
unsigned blocks_of(const Grid<T>& g, int n) {
  return blocks_for(g.planes * g.levels[n].height * g.levels[n].width);
}

// v of level n from its b.
template <typename T>
void cycle(const Grid<T>& g, int n) {
  const Level<T>& l = g.levels[n];
  const auto stream = cuda_stream(g.stream);
  const unsigned blocks = blocks_of(g, n);
  if (n > 0 && l.height <= kSmall && l.width <= kSmall) {
    small_kernel<<<static_cast<unsigned>(g.planes), kThreads, 0, stream>>>(g, n);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    return;
  }
  start_kernel<<<blocks, kThreads, 0, stream>>>(g, l);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  if (n + 1 < g.count) {
    restrict_kernel<<<blocks_of(g, n + 1), kThreads, 0, stream>>>(g, l, g.levels[n + 1]);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    cycle(g, n + 1);
    correct_kernel<<<blocks, kThreads, 0, stream>>>(g, l, g.levels[n + 1]);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  } else {
    relax_kernel<<<blocks, kThreads, 0, stream>>>(g, l, static_cast<const T*>(l.v), l.other, kExact);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
  const double omega = n + 1 < g.count ? kFirst : kExact;
  relax_kernel<<<blocks, kThreads, 0, stream>>>(g, l, static_cast<const T*>(l.other), l.v, omega);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

template <typename T>
void prepare(const Grid<T>& g) {
  for (int n = 1; n < g.count; ++n) {
    const Level<T>& coarse = g.levels[n];
    galerkin_kernel<<<blocks_for(g.masks * coarse.height * coarse.width), kThreads, 0, cuda_stream(g.stream)>>>(
        g.levels[n - 1], coarse, g.masks);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template <typename T>
void precondition(const Grid<T>& g) {
  cycle(g, 0);
}

template <typename T>
void gather_boundary(const Grid<T>& g, const T* fill, const T* image) {
  gather_kernel<<<blocks_of(g, 0), kThreads, 0, cuda_stream(g.stream)>>>(g, fill, image);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename T>
void compose(const Grid<T>& g, const T* fill, const T* image, T* out) {
  compose_kernel<<<blocks_of(g, 0), kThreads, 0, cuda_stream(g.stream)>>>(g, fill, image, out);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename T>
void start_adjoint(const Grid<T>& g, const T* grad) {
  start_adjoint_kernel<<<blocks_of(g, 0), kThreads, 0, cuda_stream(g.stream)>>>(g, grad);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename T>
void scatter_boundary(const Grid<T>& g, const T* grad, T* grad_fill, T* grad_image) {
  scatter_kernel<<<blocks_of(g, 0), kThreads, 0, cuda_stream(g.stream)>>>(g, grad, grad_fill, grad_image);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

#define INSTANTIATE(T)                                               \
  template void prepare(const Grid<T>&);                             \
  template void precondition(const Grid<T>&);                        \
  template void gather_boundary(const Grid<T>&, const T*, const T*); \
  template void compose(const Grid<T>&, const T*, const T*, T*);     \
  template void start_adjoint(const Grid<T>&, const T*);             \
  template void scatter_boundary(const Grid<T>&, const T*, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace inpaintx::poisson::device
