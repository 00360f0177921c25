// SPDNorm on CUDA: a block of threads takes some pixels and shares their channels, so that neighbors in memory are
// read by neighbors in the warp: 32 pixels and 8 lanes of channels each, or (channels_last) 8 pixels and 32 lanes.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "common/cuda_check.h"
#include "spd_norm/kernels.h"
#include "spd_norm/math.h"

namespace inpaintx::spd_norm::cuda {
namespace {

constexpr int kWarp = 32, kOthers = kThreads / kWarp;

struct Lane {
  int pixel, lane, lanes;  // pixel within the block, this thread's first channel, and the step to its next
  bool channels_last;

  __device__ __forceinline__ explicit Lane(bool last)
      : pixel(last ? threadIdx.x / kWarp : threadIdx.x % kWarp),
        lane(last ? threadIdx.x % kWarp : threadIdx.x / kWarp),
        lanes(last ? kWarp : kOthers),
        channels_last(last) {}

  __device__ __forceinline__ int slot(int of) const { return channels_last ? pixel * kWarp + of : of * kWarp + pixel; }

  // Sum over the lanes of a pixel, in a fixed order; every thread of the block takes part.
  template <typename acc_t>
  __device__ __forceinline__ acc_t sum(acc_t value, acc_t* shared) const {
    shared[slot(lane)] = value;
    __syncthreads();
    for (int half = lanes / 2; half > 0; half /= 2) {
      if (lane < half) shared[slot(lane)] += shared[slot(lane + half)];
      __syncthreads();
    }
    const acc_t total = shared[slot(0)];
    __syncthreads();
    return total;
  }
};

// Where channel c of pixel p of image b lies.
template <typename scalar_t>
__device__ __forceinline__ int64_t place(const Image<scalar_t>& im, bool last, int64_t b, int64_t c, int64_t p) {
  return b * im.batch + (last ? p * im.line + c : c * im.line + p);
}

int64_t pixels_of_a_block(const Shape& s) { return s.channels_last ? kOthers : kWarp; }

template <typename scalar_t, typename acc_t>
// Threads beyond the last pixel go along to the sums, which all threads of a block must reach, with values of pixel 0.
__global__ void forward_kernel(Forward<scalar_t, acc_t> a, int64_t blocks, int64_t step) {
  __shared__ acc_t shared[kThreads];
  const Lane l(a.shape.channels_last);
  const bool last = a.shape.channels_last;
  const int64_t channels = a.shape.channels;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {  // alike for all threads of the block
    const int64_t at = block * step + l.pixel;
    const bool inside = at < a.shape.batch * a.shape.pixels;
    const int64_t b = inside ? at / a.shape.pixels : 0, p = inside ? at % a.shape.pixels : 0;
    acc_t sum = 0, square = 0;
    for (int64_t c = l.lane; c < channels; c += l.lanes) sum += static_cast<acc_t>(a.x.data[place(a.x, last, b, c, p)]);
    const acc_t mean = l.sum(sum, shared) / static_cast<acc_t>(channels);
    for (int64_t c = l.lane; c < channels; c += l.lanes) {
      const acc_t d = static_cast<acc_t>(a.x.data[place(a.x, last, b, c, p)]) - mean;
      square += d * d;
    }
    const acc_t variance = l.sum(square, shared) / static_cast<acc_t>(channels - 1);
    const acc_t rstd = acc_t(1) / sqrt(variance + a.eps);
    if (!inside) continue;
    if (l.lane == 0) {
      a.mean[at] = mean;
      a.rstd[at] = rstd;
    }
    for (int64_t c = l.lane; c < channels; c += l.lanes) {
      const acc_t normal = (static_cast<acc_t>(a.x.data[place(a.x, last, b, c, p)]) - mean) * rstd;
      const acc_t gamma = static_cast<acc_t>(a.gamma.data[place(a.gamma, last, b, c, p)]);
      const acc_t beta = static_cast<acc_t>(a.beta.data[place(a.beta, last, b, c, p)]);
      a.y.data[place(a.y, last, b, c, p)] = static_cast<scalar_t>(modulate(normal, gamma, beta, a.probability[at]));
    }
  }
}

template <typename scalar_t, typename acc_t>
// The slopes of a pixel's channels are computed twice, for the sums and for grad_x: they are two values from what is
// read anyhow, and keeping them would take memory for any number of channels.
__global__ void backward_kernel(Backward<scalar_t, acc_t> a, int64_t blocks, int64_t step) {
  __shared__ acc_t shared[kThreads];
  const Lane l(a.shape.channels_last);
  const bool last = a.shape.channels_last;
  const int64_t channels = a.shape.channels;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    const int64_t at = block * step + l.pixel;
    const bool inside = at < a.shape.batch * a.shape.pixels;
    const int64_t b = inside ? at / a.shape.pixels : 0, p = inside ? at % a.shape.pixels : 0;
    const acc_t mean = inside ? a.mean[at] : acc_t(0), rstd = inside ? a.rstd[at] : acc_t(0);
    const acc_t strength = inside ? a.probability[at] : acc_t(0);
    acc_t sum = 0, product = 0, by_p = 0;
    for (int64_t c = l.lane; inside && c < channels; c += l.lanes) {
      const acc_t grad = static_cast<acc_t>(a.grad.data[place(a.grad, last, b, c, p)]);
      const acc_t gamma = static_cast<acc_t>(a.gamma.data[place(a.gamma, last, b, c, p)]);
      const acc_t normal = (static_cast<acc_t>(a.x.data[place(a.x, last, b, c, p)]) - mean) * rstd;
      const acc_t slope = grad_normal(grad, gamma, strength);
      sum += slope;
      product += slope * normal;
      if (a.grad_probability) {
        by_p += grad_probability(grad, normal, gamma, static_cast<acc_t>(a.beta.data[place(a.beta, last, b, c, p)]));
      }
      if (a.grad_gamma.data) {
        a.grad_gamma.data[place(a.grad_gamma, last, b, c, p)] = static_cast<scalar_t>(grad * strength * normal);
      }
      if (a.grad_beta.data) {
        a.grad_beta.data[place(a.grad_beta, last, b, c, p)] = static_cast<scalar_t>(grad * strength);
      }
    }
    const acc_t mean_slope = l.sum(sum, shared) / static_cast<acc_t>(channels);
    const acc_t mean_product = l.sum(product, shared) / static_cast<acc_t>(channels - 1);
    by_p = l.sum(by_p, shared);
    if (!inside) continue;
    if (a.grad_probability && l.lane == 0) a.grad_probability[at] = by_p;
    for (int64_t c = l.lane; a.grad_x.data && c < channels; c += l.lanes) {
      const acc_t grad = static_cast<acc_t>(a.grad.data[place(a.grad, last, b, c, p)]);
      const acc_t gamma = static_cast<acc_t>(a.gamma.data[place(a.gamma, last, b, c, p)]);
      const acc_t normal = (static_cast<acc_t>(a.x.data[place(a.x, last, b, c, p)]) - mean) * rstd;
      a.grad_x.data[place(a.grad_x, last, b, c, p)] =
          static_cast<scalar_t>(grad_input(grad_normal(grad, gamma, strength), normal, mean_slope, mean_product, rstd));
    }
  }
}

}  // namespace

template <typename scalar_t, typename acc_t>
void normalize(const Forward<scalar_t, acc_t>& a, Stream stream) {
  const int64_t step = pixels_of_a_block(a.shape), blocks = (a.shape.batch * a.shape.pixels + step - 1) / step;
  if (blocks == 0) return;
  forward_kernel<<<blocks_for(blocks, 1), kThreads, 0, cuda_stream(stream)>>>(a, blocks, step);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename scalar_t, typename acc_t>
void normalize_backward(const Backward<scalar_t, acc_t>& a, Stream stream) {
  const int64_t step = pixels_of_a_block(a.shape), blocks = (a.shape.batch * a.shape.pixels + step - 1) / step;
  if (blocks == 0) return;
  backward_kernel<<<blocks_for(blocks, 1), kThreads, 0, cuda_stream(stream)>>>(a, blocks, step);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

#define INSTANTIATE(scalar_t, acc_t)                                \
  template void normalize(const Forward<scalar_t, acc_t>&, Stream); \
  template void normalize_backward(const Backward<scalar_t, acc_t>&, Stream);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(c10::Half, float)
INSTANTIATE(c10::BFloat16, float)
#undef INSTANTIATE

}  // namespace inpaintx::spd_norm::cuda
