// Structural similarity on CUDA: filter along the rows, then down the columns with the arithmetic of math.h; the
// gradient spreads the slopes back the same way. One thread an element, each writing its own: no sums across threads
// here (the op takes the map's mean by torch's), so that results are the same at every run. Between two kernels stand
// maps in global memory, whose sizes kernels.h gives.
#include "common/cuda_check.h"
#include "ssim/kernels.h"
#include "ssim/math.h"

namespace inpaintx::ssim::cuda {
namespace {

// The weight of a pixel of image `b`; 1 where all count alike.
template <typename acc_t>
__device__ __forceinline__ acc_t weight_at(const Images<acc_t>& a, int64_t b, int64_t pixel) {
  if (!a.weight) return acc_t(1);
  const acc_t w = a.weight[(a.weight_batch == 1 ? 0 : b) * a.height * a.width + pixel];
  return w > acc_t(0) ? w : acc_t(0);
}

// rows: the products x, y, (x - y)^2, xy and 1, weighted and filtered along the row.
template <typename acc_t>
__global__ void rows_kernel(Images<acc_t> a, acc_t* rows, int64_t total) {
  INPAINTX_GRID_LOOP(i, total) {
    const int64_t column = i % a.out_width(), row = i / a.out_width();  // row of all images and channels
    const int64_t b = row / (a.channels * a.height);
    const int64_t first = row * a.width + column, pixel = row % a.height * a.width + column;
    acc_t sum[5] = {};
    for (int64_t k = 0; k < a.window; ++k) {
      const acc_t w = weight_at(a, b, pixel + k);
      if (!(w > acc_t(0))) continue;
      const acc_t share = a.gaussian(k) * w;
      const acc_t x = normal(a.x[first + k], a.per_range), y = normal(a.y[first + k], a.per_range);
      sum[0] += share * x;
      sum[1] += share * y;
      sum[2] += share * (x - y) * (x - y);
      sum[3] += share * x * y;
      sum[4] += share;
    }
    for (int q = 0; q < 5; ++q) rows[q * total + i] = sum[q];
  }
}

// Similarity of window i, and how much it counts: the weight of its center, 0 where it sees too little.
template <typename acc_t>
struct Window {
  Similarity<acc_t> similarity;
  acc_t counts, seen;
};

template <typename acc_t>
__device__ __forceinline__ Window<acc_t> window_at(const Images<acc_t>& a, const acc_t* rows, int64_t i) {
  const int64_t wide = a.out_width(), column = i % wide, row = i / wide % a.out_height();
  const int64_t plane = i / (wide * a.out_height());
  const int64_t size = a.batch * a.channels * a.height * wide, first = (plane * a.height + row) * wide + column;
  acc_t m[5] = {};
  for (int64_t k = 0; k < a.window; ++k) {
    for (int q = 0; q < 5; ++q) m[q] += a.gaussian(k) * rows[q * size + first + k * wide];
  }
  const int64_t rim = a.window / 2;
  const acc_t centre = weight_at(a, plane / a.channels, (row + rim) * a.width + column + rim);
  const bool counts = m[4] >= acc_t(kLeastWeight) && centre > acc_t(0);
  const acc_t seen = counts ? m[4] : acc_t(1);
  return {similarity(m[0] / seen, m[1] / seen, m[2] / seen, m[3] / seen), counts ? centre : acc_t(0), seen};
}

template <typename acc_t>
__global__ void map_kernel(Forward<acc_t> f, const acc_t* rows, int64_t total) {
  const auto& a = f.images;
  const int64_t plane = a.out_height() * a.out_width();
  INPAINTX_GRID_LOOP(i, total) {
    const auto w = window_at(a, rows, i);
    f.value[i] = w.counts > acc_t(0) ? w.counts * w.similarity.value : acc_t(0);
    if (i / plane % a.channels == 0) f.total[i / plane / a.channels * plane + i % plane] = w.counts;
  }
}

template <typename acc_t>
__global__ void slopes_kernel(Backward<acc_t> f, const acc_t* rows, acc_t* slopes, int64_t total) {
  const auto& a = f.images;
  INPAINTX_GRID_LOOP(i, total) {
    const auto w = window_at(a, rows, i);
    const acc_t share = f.scale[i / (a.channels * a.out_height() * a.out_width())] * w.counts / w.seen;
    const bool counts = w.counts > acc_t(0);
    slopes[i] = counts ? share * w.similarity.by_squares : acc_t(0);
    slopes[total + i] = counts ? share * w.similarity.by_product : acc_t(0);
    slopes[2 * total + i] = counts ? share * w.similarity.by_x : acc_t(0);
    slopes[3 * total + i] = counts ? share * w.similarity.by_y : acc_t(0);
  }
}

// spread: the slopes of the windows that hold a pixel, along the row.
template <typename acc_t>
__global__ void spread_kernel(Images<acc_t> a, const acc_t* slopes, acc_t* spread, int64_t total) {
  const int64_t wide = a.out_width(), size = total / a.width * wide;
  INPAINTX_GRID_LOOP(i, total) {
    const int64_t column = i % a.width, row = i / a.width;
    acc_t sum[4] = {};
    for (int64_t k = 0; k < a.window; ++k) {
      const int64_t at = column - k;
      if (at < 0 || at >= wide) continue;
      for (int q = 0; q < 4; ++q) sum[q] += a.gaussian(k) * slopes[q * size + row * wide + at];
    }
    for (int q = 0; q < 4; ++q) spread[q * total + i] = sum[q];
  }
}

template <typename acc_t>
__global__ void gradients_kernel(Backward<acc_t> f, const acc_t* spread, int64_t total) {
  const auto& a = f.images;
  const int64_t size = total / a.height * a.out_height();
  INPAINTX_GRID_LOOP(i, total) {
    const int64_t column = i % a.width, row = i / a.width % a.height, plane = i / (a.width * a.height);
    acc_t s[4] = {};
    for (int64_t k = 0; k < a.window; ++k) {
      const int64_t at = row - k;
      if (at < 0 || at >= a.out_height()) continue;
      const int64_t from = (plane * a.out_height() + at) * a.width + column;
      for (int q = 0; q < 4; ++q) s[q] += a.gaussian(k) * spread[q * size + from];
    }
    const acc_t w = weight_at(a, plane / a.channels, row * a.width + column);
    const bool seen = w > acc_t(0);
    const acc_t x = normal(a.x[i], a.per_range), y = normal(a.y[i], a.per_range), share = w * a.per_range;
    f.grad_x[i] = seen ? share * gradient(s[2], s[0], s[1], x, y) : acc_t(0);
    if (f.grad_y) f.grad_y[i] = seen ? share * gradient(s[3], s[0], s[1], y, x) : acc_t(0);
  }
}

template <typename acc_t>
void filter_rows(const Images<acc_t>& a, acc_t* rows, cudaStream_t stream) {
  const int64_t total = a.batch * a.channels * a.height * a.out_width();
  rows_kernel<<<blocks_for(total), kThreads, 0, stream>>>(a, rows, total);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

template <typename acc_t>
void mean_similarity(const Forward<acc_t>& f, const Maps<acc_t>& maps, Stream queue) {
  const auto& a = f.images;
  const auto stream = cuda_stream(queue);
  const int64_t total = a.batch * a.channels * a.out_height() * a.out_width();
  filter_rows(a, maps.rows, stream);
  map_kernel<<<blocks_for(total), kThreads, 0, stream>>>(f, maps.rows, total);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename acc_t>
void mean_similarity_backward(const Backward<acc_t>& f, const Maps<acc_t>& maps, Stream queue) {
  const auto& a = f.images;
  const auto stream = cuda_stream(queue);
  const int64_t windows = a.batch * a.channels * a.out_height() * a.out_width();
  const int64_t rows = a.batch * a.channels * a.out_height() * a.width;
  const int64_t pixels = a.batch * a.channels * a.height * a.width;
  filter_rows(a, maps.rows, stream);
  slopes_kernel<<<blocks_for(windows), kThreads, 0, stream>>>(f, maps.rows, maps.slopes, windows);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  spread_kernel<<<blocks_for(rows), kThreads, 0, stream>>>(a, maps.slopes, maps.spread, rows);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  gradients_kernel<<<blocks_for(pixels), kThreads, 0, stream>>>(f, maps.spread, pixels);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template void mean_similarity(const Forward<float>&, const Maps<float>&, Stream);
template void mean_similarity(const Forward<double>&, const Maps<double>&, Stream);
template void mean_similarity_backward(const Backward<float>&, const Maps<float>&, Stream);
template void mean_similarity_backward(const Backward<double>&, const Maps<double>&, Stream);

}  // namespace inpaintx::ssim::cuda
