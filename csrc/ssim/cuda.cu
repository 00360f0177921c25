// Structural similarity on CUDA: a block takes a tile of windows and filters the products under them along the rows and
// down the columns in shared memory, so that x and y are read once and only sums are written. The gradient takes one
// pass more: the slopes of all windows are written, and a block spreads those that reach its tile of pixels by the same
// filter. Sums have one order, whatever else is in the batch: over a thread's windows, a tree over the tile, and the
// tiles of an image one after the other.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <type_traits>

#include "common/cuda_check.h"
#include "ssim/kernels.h"
#include "ssim/math.h"

namespace inpaintx::ssim::cuda {
namespace {

constexpr int kTile = static_cast<int>(kTileSide);  // a lane a column
constexpr int kWarps = kThreads / kTile;            // of a block; also the rows that are filtered between two barriers
constexpr int kOwn = kTile / kWarps;                // rows of the tile that are a warp's

// A tile of a plane: the first of its rows and columns.
struct Tile {
  int64_t plane;
  int top, left;

  __device__ static Tile at(int64_t i, int64_t height, int64_t width) {
    const int64_t across = tiles_along(width), down = tiles_along(height);
    return {i / (across * down), static_cast<int>(i / across % down) * kTile, static_cast<int>(i % across) * kTile};
  }
  __device__ int row(int own) const { return top + static_cast<int>(threadIdx.x) / kTile * kOwn + own; }
  __device__ int column() const { return left + static_cast<int>(threadIdx.x) % kTile; }
};

// sums[own][q]: quantity q under the Gaussian, over rows row(own) + top .. + window - 1 and as many columns. All
// threads of a block take part. load(row, column, values) gives the quantities of a place, zeros where there is none.
//
// A warp filters a row along itself, 32 taps at a time; when all have, each adds the rows to those of its windows that
// hold them.
template <int kQuantities, typename acc_t, typename Taps, typename Load>
__device__ __forceinline__ void filter(const Taps& taps, const Tile& tile, int shift, const Load& load,
                                       acc_t (&sums)[kOwn][kQuantities]) {
  __shared__ acc_t line[kWarps][kQuantities][2 * kTile];
  __shared__ acc_t rows[kWarps][kQuantities][kTile];
  const int lane = threadIdx.x % kTile, warp = threadIdx.x / kTile, window = static_cast<int>(taps.window);
  for (auto& own : sums) {
    for (acc_t& sum : own) sum = 0;
  }
  for (int first = 0; first < kTile + window - 1; first += kWarps) {
    acc_t along[kQuantities] = {};
    for (int tap = 0; tap < window; tap += kTile) {
      const int count = min(window - tap, kTile);
      __syncwarp();
      for (int c = lane; c < kTile + count - 1; c += kTile) {
        acc_t values[kQuantities];
        load(tile.top + shift + first + warp, tile.left + shift + tap + c, values);
        for (int q = 0; q < kQuantities; ++q) line[warp][q][c] = values[q];
      }
      __syncwarp();
      for (int k = 0; k < count; ++k) {
        const acc_t g = taps.gaussian(tap + k);
        for (int q = 0; q < kQuantities; ++q) along[q] += g * line[warp][q][lane + k];
      }
    }
    for (int q = 0; q < kQuantities; ++q) rows[warp][q][lane] = along[q];
    __syncthreads();
#pragma unroll
    for (int own = 0; own < kOwn; ++own) {
      const int at = warp * kOwn + own - first;  // the window's first row, among these
      for (int r = max(at, 0); r < min(at + window, kWarps); ++r) {
        const acc_t g = taps.gaussian(r - at);
        for (int q = 0; q < kQuantities; ++q) sums[own][q] += g * rows[r][q][lane];
      }
    }
    __syncthreads();
  }
}

// The products of a pixel: x, y, (x - y)^2, xy, and with weights these times w and w itself. What x and y hold where w
// is 0 is not looked at.
template <bool kWeighted, typename acc_t, typename scalar_t>
struct Products {
  static constexpr int kCount = kWeighted ? 5 : 4;
  const Images<acc_t, scalar_t>& a;
  const scalar_t *x, *y;
  const acc_t* weight;

  __device__ Products(const Images<acc_t, scalar_t>& a, int64_t plane)
      : a(a),
        x(a.x + plane * a.height * a.width),
        y(a.y + plane * a.height * a.width),
        weight(kWeighted ? a.weight + (a.weight_batch == 1 ? 0 : plane / a.channels) * a.height * a.width : nullptr) {}

  __device__ acc_t weight_at(int row, int column) const {
    if constexpr (kWeighted) {
      const acc_t w = weight[row * a.width + column];
      return w > acc_t(0) ? w : acc_t(0);
    } else {
      return acc_t(1);
    }
  }
  __device__ acc_t normal_at(const scalar_t* image, int row, int column) const {
    return normal(static_cast<acc_t>(image[row * a.width + column]), a.per_range);
  }
  __device__ void operator()(int row, int column, acc_t* values) const {
    const acc_t w = row < a.height && column < a.width ? weight_at(row, column) : acc_t(0);
    const bool seen = w > acc_t(0);
    const acc_t u = seen ? normal_at(x, row, column) : acc_t(0), v = seen ? normal_at(y, row, column) : acc_t(0);
    values[0] = w * u;
    values[1] = w * v;
    values[2] = w * (u - v) * (u - v);
    values[3] = w * u * v;
    if constexpr (kWeighted) values[4] = w;
  }
};

// Similarity of the window at (row, column), and how much it counts: the weight of its center, 0 where it sees too
// little or lies outside.
template <typename acc_t>
struct Window {
  Similarity<acc_t> similarity;
  acc_t counts, seen;
};

template <bool kWeighted, typename acc_t, typename scalar_t, int kCount>
__device__ __forceinline__ Window<acc_t> window_of(const Products<kWeighted, acc_t, scalar_t>& p,
                                                   const acc_t (&m)[kCount], int row, int column) {
  const int rim = static_cast<int>(p.a.window / 2);
  acc_t seen = 1, counts = 0;
  if (row < p.a.out_height() && column < p.a.out_width()) counts = p.weight_at(row + rim, column + rim);
  if constexpr (kWeighted) {
    if (!(m[4] >= acc_t(kLeastWeight))) counts = 0;
    if (counts > acc_t(0)) seen = m[4];
  }
  return {similarity(m[0] / seen, m[1] / seen, m[2] / seen, m[3] / seen), counts, seen};
}

// The sum over the threads of a block, for the first of them; by a tree of fixed shape.
template <typename T>
__device__ T block_sum(T value, T* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  const T sum = shared[0];
  __syncthreads();
  return sum;
}

// sums: [batch, 2, parts], of weighted similarities and of weights, a part a tile of a channel.
template <bool kWeighted, typename acc_t, typename scalar_t>
__global__ void similarity_kernel(Forward<acc_t, scalar_t> f, acc_t* sums, int64_t parts) {
  __shared__ acc_t shared[kThreads];
  const auto& a = f.images;
  for (int64_t i = blockIdx.x; i < a.batch * parts; i += gridDim.x) {  // alike for all its threads
    const Tile tile = Tile::at(i, a.out_height(), a.out_width());
    const Products<kWeighted, acc_t, scalar_t> products(a, tile.plane);
    acc_t means[kOwn][products.kCount], value = 0, total = 0;
    filter(a, tile, 0, products, means);
    for (int own = 0; own < kOwn; ++own) {
      const auto w = window_of(products, means[own], tile.row(own), tile.column());
      if (w.counts > acc_t(0)) value += w.counts * w.similarity.value;
      total += w.counts;
    }
    value = block_sum(value, shared);
    total = block_sum(total, shared);
    if (threadIdx.x == 0) {
      sums[i / parts * 2 * parts + i % parts] = value;
      sums[(i / parts * 2 + 1) * parts + i % parts] = total;
    }
  }
}

// An image's value and total from its parts, a block an image.
template <typename acc_t, typename scalar_t>
__global__ void gather_parts_kernel(Forward<acc_t, scalar_t> f, const acc_t* sums, int64_t parts) {
  __shared__ double shared[kThreads];
  const acc_t* values = sums + blockIdx.x * 2 * parts;
  double value = 0, total = 0;
  for (int64_t i = threadIdx.x; i < parts; i += kThreads) {
    value += static_cast<double>(values[i]);
    total += static_cast<double>(values[parts + i]);
  }
  value = block_sum(value, shared);
  total = block_sum(total, shared);
  if (threadIdx.x == 0) {
    f.value[blockIdx.x] = total > 0 ? static_cast<acc_t>(value / total) : acc_t(1);
    f.total[blockIdx.x] = static_cast<acc_t>(total / static_cast<double>(f.images.channels));
  }
}

// slopes: by squares, product, x and, where grad_y is wanted, y: [3 or 4, batch, channels, out_height, out_width].
template <bool kWeighted, bool kBoth, typename acc_t, typename scalar_t>
__global__ void slopes_kernel(Backward<acc_t, scalar_t> f, acc_t* slopes, int64_t tiles) {
  const auto& a = f.images;
  const int64_t size = a.batch * a.channels * a.out_height() * a.out_width();
  for (int64_t i = blockIdx.x; i < tiles; i += gridDim.x) {  // alike for all its threads
    const Tile tile = Tile::at(i, a.out_height(), a.out_width());
    const Products<kWeighted, acc_t, scalar_t> products(a, tile.plane);
    acc_t means[kOwn][products.kCount];
    filter(a, tile, 0, products, means);
    const acc_t scale = f.scale[tile.plane / a.channels];
    for (int own = 0; own < kOwn; ++own) {
      const int row = tile.row(own), column = tile.column();
      if (row >= a.out_height() || column >= a.out_width()) continue;
      const auto w = window_of(products, means[own], row, column);
      const acc_t share = scale * w.counts / w.seen;
      const bool counts = w.counts > acc_t(0);
      acc_t* out = slopes + (tile.plane * a.out_height() + row) * a.out_width() + column;
      out[0] = counts ? share * w.similarity.by_squares : acc_t(0);
      out[size] = counts ? share * w.similarity.by_product : acc_t(0);
      out[2 * size] = counts ? share * w.similarity.by_x : acc_t(0);
      if (kBoth) out[3 * size] = counts ? share * w.similarity.by_y : acc_t(0);
    }
  }
}

// A pixel gathers the slopes of the windows that hold it, which begin up to window - 1 rows and columns before it.
template <bool kWeighted, bool kBoth, typename acc_t, typename scalar_t>
__global__ void gradients_kernel(Backward<acc_t, scalar_t> f, const acc_t* slopes, int64_t tiles) {
  constexpr int kCount = kBoth ? 4 : 3;
  const auto& a = f.images;
  const int64_t wide = a.out_width(), high = a.out_height(), size = a.batch * a.channels * high * wide;
  for (int64_t i = blockIdx.x; i < tiles; i += gridDim.x) {  // alike for all its threads
    const Tile tile = Tile::at(i, a.height, a.width);
    const Products<kWeighted, acc_t, scalar_t> pixels(a, tile.plane);
    acc_t s[kOwn][kCount];
    filter(
        a, tile, 1 - static_cast<int>(a.window),
        [&](int row, int column, acc_t* values) {
          const bool inside = row >= 0 && column >= 0 && row < high && column < wide;
          const acc_t* from = slopes + (tile.plane * high + row) * wide + column;
          for (int q = 0; q < kCount; ++q) values[q] = inside ? from[q * size] : acc_t(0);
        },
        s);
    for (int own = 0; own < kOwn; ++own) {
      const int row = tile.row(own), column = tile.column();
      if (row >= a.height || column >= a.width) continue;
      const int64_t at = (tile.plane * a.height + row) * a.width + column;
      const acc_t w = pixels.weight_at(row, column);
      const bool seen = w > acc_t(0);
      const acc_t x = pixels.normal_at(pixels.x, row, column), y = pixels.normal_at(pixels.y, row, column);
      const acc_t share = w * a.per_range, *slope = s[own];
      f.grad_x[at] = static_cast<scalar_t>(seen ? share * gradient(slope[2], slope[0], slope[1], x, y) : acc_t(0));
      if constexpr (kBoth) {
        f.grad_y[at] = static_cast<scalar_t>(seen ? share * gradient(slope[3], slope[0], slope[1], y, x) : acc_t(0));
      }
    }
  }
}

// f(true_type or false_type) of a flag that a kernel is compiled for.
template <typename F>
void with_flag(bool flag, const F& f) {
  flag ? f(std::true_type{}) : f(std::false_type{});
}

}  // namespace

template <typename acc_t, typename scalar_t>
void mean_similarity(const Forward<acc_t, scalar_t>& f, acc_t* sums, Stream queue) {
  const auto& a = f.images;
  const auto stream = cuda_stream(queue);
  const int64_t parts = parts_of(a);
  with_flag(a.weight != nullptr, [&](auto weighted) {
    constexpr bool kWeighted = decltype(weighted)::value;
    similarity_kernel<kWeighted><<<blocks_for(a.batch * parts, 1), kThreads, 0, stream>>>(f, sums, parts);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  });
  gather_parts_kernel<<<static_cast<unsigned>(a.batch), kThreads, 0, stream>>>(f, static_cast<const acc_t*>(sums),
                                                                               parts);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename acc_t, typename scalar_t>
void mean_similarity_backward(const Backward<acc_t, scalar_t>& f, acc_t* slopes, Stream queue) {
  const auto& a = f.images;
  const auto stream = cuda_stream(queue);
  const int64_t planes = a.batch * a.channels, windows = a.batch * parts_of(a);
  const int64_t pixels = planes * tiles_along(a.height) * tiles_along(a.width);
  with_flag(a.weight != nullptr, [&](auto weighted) {
    with_flag(f.grad_y != nullptr, [&](auto both) {
      constexpr bool kWeighted = decltype(weighted)::value, kBoth = decltype(both)::value;
      slopes_kernel<kWeighted, kBoth><<<blocks_for(windows, 1), kThreads, 0, stream>>>(f, slopes, windows);
      INPAINTX_CUDA_CHECK(cudaGetLastError());
      const acc_t* from = slopes;
      gradients_kernel<kWeighted, kBoth><<<blocks_for(pixels, 1), kThreads, 0, stream>>>(f, from, pixels);
      INPAINTX_CUDA_CHECK(cudaGetLastError());
    });
  });
}

#define INSTANTIATE(acc_t, scalar_t)                                              \
  template void mean_similarity(const Forward<acc_t, scalar_t>&, acc_t*, Stream); \
  template void mean_similarity_backward(const Backward<acc_t, scalar_t>&, acc_t*, Stream);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(float, c10::Half)
INSTANTIATE(float, c10::BFloat16)
#undef INSTANTIATE

}  // namespace inpaintx::ssim::cuda
