// The gradient's pass on CUDA: it rescales what the convolution's backward pass takes, and sums the bias's gradient on
// the way, in two stages: parts of the image, then the parts. Both have an order that depends on shapes alone, and
// there are no atomics, so that a result is the same at every run.
#include "partial_conv/device.h"

namespace inpaintx::partial_conv::cuda {
namespace {

// Parts of the sums of the bias's gradient, [images * chunks, channels]: of which images, and of which of their pixels.
struct Parts {
  int64_t images, chunks;
};
Parts parts_of(const Image& im) {
  constexpr int64_t kMost = 4096;
  const int64_t images = std::clamp<int64_t>(im.batch, 1, 64), pixels = im.channels_last ? 256 : 8192;
  return {images, std::clamp<int64_t>(divided(im.pixels, pixels), 1, kMost / images)};
}

template <typename scalar_t, typename acc_t>
__device__ __forceinline__ scalar_t scaled(scalar_t grad, acc_t ratio, acc_t& sum) {
  const acc_t shown = ratio > acc_t(0) ? static_cast<acc_t>(grad) : acc_t(0);
  sum += shown;
  return static_cast<scalar_t>(shown * ratio);
}

template <int N, typename scalar_t, typename acc_t>
__global__ void scale_planes_kernel(Image im, const scalar_t* grad, const acc_t* __restrict__ ratios, scalar_t* out,
                                    acc_t* parts) {
  __shared__ acc_t sums[kTogether * kThreads];
  const int64_t step = int64_t(blockDim.y) * kTogether;
  const int me = threadIdx.y * blockDim.x + threadIdx.x;
  for (int64_t first = blockIdx.y * step; first < im.channels; first += gridDim.y * step) {  // alike for all threads
    acc_t sum[kTogether] = {};
    INPAINTX_ALONG(z, b, im.batch) {
      INPAINTX_ALONG(x, v, im.pixels / N) {
        const Neighbors<acc_t, N> r = load<N>(ratios + b * im.pixels + v * N);
        const bool seen = any_seen(r);
        Neighbors<scalar_t, N> g[kTogether] = {};  // on their way at once
        for (int j = 0; j < kTogether; ++j) {
          const int64_t c = first + j * blockDim.y + threadIdx.y;
          if (seen && c < im.channels) g[j] = load<N>(grad + (b * im.channels + c) * im.pixels + v * N);
        }
        for (int j = 0; j < kTogether; ++j) {
          const int64_t c = first + j * blockDim.y + threadIdx.y;
          if (c >= im.channels) break;
          for (int k = 0; k < N; ++k) g[j].at[k] = scaled(g[j].at[k], r.at[k], sum[j]);
          store<N>(out + (b * im.channels + c) * im.pixels + v * N, g[j]);
        }
      }
    }
    if (!parts) continue;
    for (int j = 0; j < kTogether; ++j) sums[j * kThreads + me] = sum[j];
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
      for (int j = 0; j < kTogether && threadIdx.x < half; ++j) {
        sums[j * kThreads + me] += sums[j * kThreads + me + half];
      }
      __syncthreads();
    }
    for (int j = 0; j < kTogether && threadIdx.x == 0; ++j) {
      const int64_t c = first + j * blockDim.y + threadIdx.y;
      if (c < im.channels)
        parts[(int64_t(blockIdx.z) * gridDim.x + blockIdx.x) * im.channels + c] = sums[j * kThreads + me];
    }
    __syncthreads();  // before the next channels' sums
  }
}

template <int N, typename scalar_t, typename acc_t>
__global__ void scale_last_kernel(Image im, const scalar_t* grad, const acc_t* __restrict__ ratios, scalar_t* out,
                                  acc_t* parts) {
  __shared__ acc_t sums[N * kThreads];
  const int me = threadIdx.y * blockDim.x + threadIdx.x;
  for (int64_t first = blockIdx.x * int64_t(blockDim.x); first < im.channels / N;
       first += gridDim.x * int64_t(blockDim.x)) {
    const int64_t v = first + threadIdx.x;
    const bool inside = v < im.channels / N;
    acc_t sum[N] = {};
    INPAINTX_ALONG(z, b, im.batch) {
      INPAINTX_ALONG(y, p, inside ? im.pixels : 0) {
        const acc_t r = ratios[b * im.pixels + p];
        const int64_t at = (b * im.pixels + p) * im.channels + v * N;
        Neighbors<scalar_t, N> g{};
        if (r > acc_t(0)) g = load<N>(grad + at);
        for (int k = 0; k < N; ++k) g.at[k] = scaled(g.at[k], r, sum[k]);
        store<N>(out + at, g);
      }
    }
    if (!parts) continue;
    for (int k = 0; k < N; ++k) sums[k * kThreads + me] = sum[k];
    __syncthreads();
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
      for (int k = 0; k < N && threadIdx.y < half; ++k) {
        sums[k * kThreads + me] += sums[k * kThreads + me + half * blockDim.x];
      }
      __syncthreads();
    }
    for (int k = 0; k < N && inside && threadIdx.y == 0; ++k) {
      parts[(int64_t(blockIdx.z) * gridDim.y + blockIdx.y) * im.channels + v * N + k] = sums[k * kThreads + me];
    }
    __syncthreads();
  }
}

// The sums of all parts: a column of threads a channel, neighbors in a row on neighboring channels.
constexpr int kColumns = 8, kRows = kThreads / kColumns;
template <typename acc_t>
__global__ void add_parts_kernel(int64_t count, int64_t channels, const acc_t* __restrict__ parts, acc_t* grad_bias) {
  __shared__ acc_t sums[kThreads];
  const int me = threadIdx.y * kColumns + threadIdx.x;
  const int64_t c = blockIdx.x * int64_t(kColumns) + threadIdx.x;
  acc_t sum = 0;
  for (int64_t i = threadIdx.y; c < channels && i < count; i += kRows) sum += parts[i * channels + c];
  sums[me] = sum;
  __syncthreads();
  for (int half = kRows / 2; half > 0; half /= 2) {
    if (threadIdx.y < half) sums[me] += sums[me + half * kColumns];
    __syncthreads();
  }
  if (threadIdx.y == 0 && c < channels) grad_bias[c] = sums[me];
}

}  // namespace

int64_t bias_parts(const Image& im) {
  const Parts parts = parts_of(im);
  return parts.images * parts.chunks;
}

template <typename scalar_t, typename acc_t>
void scale_gradient(const ScaleGradient<scalar_t, acc_t>& a, Stream stream) {
  const Image& im = a.image;
  const auto queue = cuda_stream(stream);
  const Parts parts = parts_of(im);
  const auto chunks = static_cast<unsigned>(parts.chunks), images = static_cast<unsigned>(parts.images);
  constexpr int kWide = 16 / sizeof(scalar_t);
  const bool wide =
      im.channels_last ? fits<kWide>(im.channels, a.grad, a.out) : fits<kWide>(im.pixels, a.grad, a.out, a.ratio);
  if (im.channels > 0) {  // without pixels the sums are 0, and are written
    with_width<scalar_t>(wide, [&](auto width) {
      constexpr int N = decltype(width)::value;
      if (im.channels_last) {
        const Threads t = threads_over(im.channels / N, 32, im.pixels, 1, 1);
        const dim3 grid(t.grid.x, chunks, images);
        scale_last_kernel<N><<<grid, t.block, 0, queue>>>(im, a.grad, a.ratio, a.out, a.parts);
      } else {
        const Threads t = threads_over(im.pixels / N, kThreads, im.channels, kTogether, 1);
        const dim3 grid(chunks, t.grid.y, images);
        scale_planes_kernel<N><<<grid, t.block, 0, queue>>>(im, a.grad, a.ratio, a.out, a.parts);
      }
    });
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
  if (a.grad_bias && im.channels > 0) {
    const auto blocks = static_cast<unsigned>(divided(im.channels, kColumns));
    add_parts_kernel<<<blocks, dim3(kColumns, kRows), 0, queue>>>(parts.images * parts.chunks, im.channels,
                                                                  static_cast<const acc_t*>(a.parts), a.grad_bias);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}
#define INSTANTIATE(scalar_t, acc_t) template void scale_gradient(const ScaleGradient<scalar_t, acc_t>&, Stream);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(c10::Half, float)
INSTANTIATE(c10::BFloat16, float)
#undef INSTANTIATE

}  // namespace inpaintx::partial_conv::cuda
