// The kernels of kernels.h on CUDA: one thread an element in a grid-stride loop, the arithmetic of math.h. The
// convolution between them is cuDNN's. Each thread writes its own element only, and the one sum (of the bias's
// gradient) goes through a tree of fixed shape in shared memory: no atomics, so that a result is the same at every run.
// All loops index by int64_t, since an image batch may have more than 2^31 elements. Nothing here allocates or waits:
// launches can be captured.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "common/cuda_check.h"
#include "partial_conv/kernels.h"
#include "partial_conv/math.h"

namespace inpaintx::partial_conv::cuda {
namespace {

// Where element i of an image lies: its image, channel and pixel.
struct Place {
  int64_t batch, channel, pixel;
};

__device__ __forceinline__ Place place(const Image& im, int64_t i) {
  if (im.channels_last) return {i / (im.pixels * im.channels), i % im.channels, i / im.channels % im.pixels};
  return {i / (im.pixels * im.channels), i / im.pixels % im.channels, i % im.pixels};
}

template <typename scalar_t, typename mask_t>
// Both orders of memory are read and written front to back by neighboring threads; only the place of the mask differs.
__global__ void apply_mask_kernel(ApplyMask<scalar_t, mask_t> a, int64_t total) {
  INPAINTX_GRID_LOOP(i, total) {
    const Place p = place(a.image, i);
    const int64_t b = a.mask_batch == 1 ? 0 : p.batch, c = a.mask_channels == 1 ? 0 : p.channel;
    a.out[i] = is_hole(a.mask[(b * a.mask_channels + c) * a.image.pixels + p.pixel]) ? scalar_t(0) : a.x[i];
  }
}

template <typename acc_t, typename mask_t>
__global__ void mask_ratio_kernel(MaskRatio<acc_t, mask_t> a, int64_t total) {
  const Window& w = a.window;
  INPAINTX_GRID_LOOP(i, total) {
    const int64_t x0 = i % w.out_width * w.stride[1] - w.padding[1];
    const int64_t y0 = i / w.out_width % w.out_height * w.stride[0] - w.padding[0];
    const int64_t b = w.mask_batch == 1 ? 0 : i / (w.out_width * w.out_height);
    const Taps tx = taps_inside(x0, w.kernel[1], w.dilation[1], w.width);
    const Taps ty = taps_inside(y0, w.kernel[0], w.dilation[0], w.height);
    int64_t known = 0;
    for (int64_t c = 0; c < w.mask_channels; ++c) {
      const mask_t* mask = a.mask + (b * w.mask_channels + c) * w.height * w.width;
      for (int64_t v = ty.first; v < ty.last; ++v) {
        const mask_t* row = mask + (y0 + v * w.dilation[0]) * w.width + x0;
        for (int64_t u = tx.first; u < tx.last; ++u) known += !is_hole(row[u * w.dilation[1]]);
      }
    }
    a.ratio[i] = ratio<acc_t>(known, static_cast<acc_t>(w.scale));
    a.new_mask[i] = static_cast<mask_t>(known == 0);
  }
}

template <typename scalar_t, typename acc_t>
__global__ void rescale_kernel(Rescale<scalar_t, acc_t> a, int64_t total) {
  INPAINTX_GRID_LOOP(i, total) {
    const Place p = place(a.image, i);
    const acc_t bias = a.bias ? static_cast<acc_t>(a.bias[p.channel]) : acc_t(0);
    const acc_t ratio = a.ratio[p.batch * a.image.pixels + p.pixel];
    a.y[i] = static_cast<scalar_t>(renormalise(static_cast<acc_t>(a.y[i]), ratio, bias));
  }
}

template <typename scalar_t, typename acc_t>
__global__ void scale_gradient_kernel(ScaleGradient<scalar_t, acc_t> a, int64_t total) {
  INPAINTX_GRID_LOOP(i, total) {
    const Place p = place(a.image, i);
    const acc_t ratio = a.ratio[p.batch * a.image.pixels + p.pixel];
    a.out[i] = ratio > acc_t(0) ? static_cast<scalar_t>(static_cast<acc_t>(a.grad[i]) * ratio) : scalar_t(0);
  }
}

// One block a channel and a fixed order of additions, so that the sum is the same at every run.
template <typename scalar_t, typename acc_t>
__global__ void grad_bias_kernel(ScaleGradient<scalar_t, acc_t> a) {
  __shared__ acc_t partial[kThreads];
  const Image& im = a.image;
  const int64_t c = blockIdx.x;
  acc_t sum = 0;
  for (int64_t i = threadIdx.x; i < im.batch * im.pixels; i += blockDim.x) {
    const int64_t b = i / im.pixels, p = i % im.pixels;
    const int64_t at = im.channels_last ? (b * im.pixels + p) * im.channels + c : (b * im.channels + c) * im.pixels + p;
    sum += a.ratio[i] > acc_t(0) ? static_cast<acc_t>(a.grad[at]) : acc_t(0);
  }
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) a.grad_bias[c] = partial[0];
}

int64_t elements(const Image& im) { return im.batch * im.channels * im.pixels; }

}  // namespace

template <typename scalar_t, typename mask_t>
void apply_mask(const ApplyMask<scalar_t, mask_t>& a, Stream stream) {
  const int64_t total = elements(a.image);
  if (total == 0) return;
  apply_mask_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(a, total);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename acc_t, typename mask_t>
void mask_ratio(const MaskRatio<acc_t, mask_t>& a, Stream stream) {
  const int64_t total = a.window.batch * a.window.out_height * a.window.out_width;
  if (total == 0) return;
  mask_ratio_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(a, total);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename scalar_t, typename acc_t>
void rescale(const Rescale<scalar_t, acc_t>& a, Stream stream) {
  const int64_t total = elements(a.image);
  if (total == 0) return;
  rescale_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(a, total);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename scalar_t, typename acc_t>
void scale_gradient(const ScaleGradient<scalar_t, acc_t>& a, Stream stream) {
  const int64_t total = elements(a.image);
  if (total > 0) {
    scale_gradient_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(a, total);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
  if (a.grad_bias && a.image.channels > 0) {
    grad_bias_kernel<<<static_cast<unsigned>(a.image.channels), kThreads, 0, cuda_stream(stream)>>>(a);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template void mask_ratio(const MaskRatio<float, uint8_t>&, Stream);
template void mask_ratio(const MaskRatio<float, float>&, Stream);
template void mask_ratio(const MaskRatio<double, uint8_t>&, Stream);
template void mask_ratio(const MaskRatio<double, float>&, Stream);
#define INSTANTIATE(scalar_t, acc_t)                                     \
  template void apply_mask(const ApplyMask<scalar_t, uint8_t>&, Stream); \
  template void apply_mask(const ApplyMask<scalar_t, float>&, Stream);   \
  template void rescale(const Rescale<scalar_t, acc_t>&, Stream);        \
  template void scale_gradient(const ScaleGradient<scalar_t, acc_t>&, Stream);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(c10::Half, float)
INSTANTIATE(c10::BFloat16, float)
#undef INSTANTIATE

}  // namespace inpaintx::partial_conv::cuda
