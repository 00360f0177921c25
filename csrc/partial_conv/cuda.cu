// The kernels of kernels.h on CUDA, around cuDNN's convolution, with the arithmetic of math.h; ScaleGradient is
// cuda_gradient.cu's. They are bound by memory: a thread takes 16 bytes of a tensor at a time where sizes and pointers
// allow it, uses what it has read of the mask or the ratio for several channels, and finds its place from the grid
// alone, without a division. Each thread writes its own elements only, without atomics, so that a result is the same at
// every run. Offsets are int64_t, since a batch may have more than 2^31 elements. Nothing here allocates or waits:
// launches can be captured.
#include "partial_conv/device.h"
#include "partial_conv/math.h"

namespace inpaintx::partial_conv::cuda {
namespace {

// --- hide ---

//   batch, channel  how far the planes of two images, or channels, lie apart: 0 where they share one
struct MaskSteps {
  int64_t batch, channel;
};

// What is hidden altogether is not read.
template <int N, typename scalar_t>
__device__ __forceinline__ void hide(const scalar_t* x, const bool (&hole)[N], bool all, scalar_t* out) {
  Neighbors<scalar_t, N> value{};
  if (!all) value = load<N>(x);
  for (int k = 0; k < N; ++k) value.at[k] = hole[k] ? scalar_t(0) : value.at[k];
  store<N>(out, value);
}

template <int N, typename scalar_t, typename mask_t>
__global__ void hide_planes_kernel(Image im, MaskSteps step, const scalar_t* x, const mask_t* __restrict__ mask,
                                   scalar_t* out) {
  INPAINTX_ALONG(z, b, im.batch) {
    INPAINTX_ALONG(x, v, im.pixels / N) {
      const mask_t* plane = mask + b * step.batch + v * N;
      Neighbors<mask_t, N> m = load<N>(plane);
      INPAINTX_ALONG(y, c, im.channels) {
        const int64_t at = (b * im.channels + c) * im.pixels + v * N;
        if (step.channel) m = load<N>(plane + c * step.channel);
        bool hole[N], all = true;
        for (int k = 0; k < N; ++k) hole[k] = is_hole(m.at[k]), all = all && hole[k];
        hide<N>(x + at, hole, all, out + at);
      }
    }
  }
}

template <int N, typename scalar_t, typename mask_t>
__global__ void hide_last_kernel(Image im, MaskSteps step, const scalar_t* x, const mask_t* __restrict__ mask,
                                 scalar_t* out) {
  INPAINTX_ALONG(z, b, im.batch) {
    INPAINTX_ALONG(y, p, im.pixels) {
      const mask_t* pixel = mask + b * step.batch + p;
      const bool first = is_hole(*pixel);
      INPAINTX_ALONG(x, v, im.channels / N) {
        const int64_t at = (b * im.pixels + p) * im.channels + v * N;
        bool hole[N], all = true;
        for (int k = 0; k < N; ++k) {
          hole[k] = step.channel ? is_hole(pixel[(v * N + k) * step.channel]) : first;
          all = all && hole[k];
        }
        hide<N>(x + at, hole, all, out + at);
      }
    }
  }
}

// --- count ---

constexpr int kTileWidth = 32, kTileHeight = kThreads / kTileWidth;  // of outputs
constexpr int64_t kMostShared = 48 << 10;

// The known channels of the input pixel (y, x) of an image.
template <typename mask_t>
__device__ __forceinline__ int known_channels(const Window& w, const mask_t* __restrict__ image, int64_t y, int64_t x) {
  if (y < 0 || y >= w.height || x < 0 || x >= w.width) return 0;
  int known = 0;
  for (int64_t c = 0; c < w.mask_channels; ++c) known += !is_hole(image[(c * w.height + y) * w.width + x]);
  return known;
}

// A block takes a tile of outputs. With rows > 0 the rows x columns input pixels that it sees are counted once and kept
// in shared memory; where they do not fit, each window counts for itself.
template <typename acc_t, typename mask_t>
__global__ void mask_ratio_kernel(Window w, int rows, int columns, const mask_t* __restrict__ mask, acc_t* ratios,
                                  mask_t* new_mask) {
  extern __shared__ int counts[];
  const int64_t left = blockIdx.x * int64_t(kTileWidth) * w.stride[1] - w.padding[1];
  for (int64_t b = blockIdx.z; b < w.batch; b += gridDim.z) {
    const mask_t* image = mask + (w.mask_batch == 1 ? 0 : b) * w.mask_channels * w.height * w.width;
    for (int64_t top = blockIdx.y * int64_t(kTileHeight); top < w.out_height; top += gridDim.y * int64_t(kTileHeight)) {
      const int64_t above = top * w.stride[0] - w.padding[0];
      for (int y = threadIdx.y; y < rows; y += kTileHeight) {
        for (int x = threadIdx.x; x < columns; x += kTileWidth) {
          counts[y * columns + x] = known_channels(w, image, above + y, left + x);
        }
      }
      __syncthreads();
      const int64_t oy = top + threadIdx.y, ox = blockIdx.x * int64_t(kTileWidth) + threadIdx.x;
      if (oy < w.out_height && ox < w.out_width) {
        int64_t known = 0;
        if (rows > 0) {
          const int* corner = counts + threadIdx.y * static_cast<int>(w.stride[0]) * columns +
                              threadIdx.x * static_cast<int>(w.stride[1]);
          for (int v = 0; v < static_cast<int>(w.kernel[0]); ++v) {
            const int* row = corner + v * static_cast<int>(w.dilation[0]) * columns;
            for (int u = 0; u < static_cast<int>(w.kernel[1]); ++u) known += row[u * static_cast<int>(w.dilation[1])];
          }
        } else {
          const int64_t y0 = oy * w.stride[0] - w.padding[0], x0 = ox * w.stride[1] - w.padding[1];
          const Taps ty = taps_inside(y0, w.kernel[0], w.dilation[0], w.height);
          const Taps tx = taps_inside(x0, w.kernel[1], w.dilation[1], w.width);
          for (int64_t v = ty.first; v < ty.last; ++v) {
            for (int64_t u = tx.first; u < tx.last; ++u) {
              known += known_channels(w, image, y0 + v * w.dilation[0], x0 + u * w.dilation[1]);
            }
          }
        }
        const int64_t at = (b * w.out_height + oy) * w.out_width + ox;
        ratios[at] = ratio<acc_t>(known, static_cast<acc_t>(w.scale));
        new_mask[at] = static_cast<mask_t>(known == 0);
      }
      __syncthreads();  // before the next tile is counted
    }
  }
}

// --- rescale ---

template <int N, typename scalar_t, typename acc_t>
__global__ void rescale_planes_kernel(Image im, scalar_t* y, const acc_t* __restrict__ ratios,
                                      const scalar_t* __restrict__ bias) {
  INPAINTX_ALONG(z, b, im.batch) {
    INPAINTX_ALONG(x, v, im.pixels / N) {
      const Neighbors<acc_t, N> r = load<N>(ratios + b * im.pixels + v * N);
      const bool seen = any_seen(r);
      INPAINTX_ALONG(y, c, im.channels) {
        scalar_t* at = y + (b * im.channels + c) * im.pixels + v * N;
        Neighbors<scalar_t, N> value{};
        if (seen) value = load<N>(at);
        const acc_t shift = bias ? static_cast<acc_t>(bias[c]) : acc_t(0);
        for (int k = 0; k < N; ++k) {
          value.at[k] = static_cast<scalar_t>(renormalise(static_cast<acc_t>(value.at[k]), r.at[k], shift));
        }
        store<N>(at, value);
      }
    }
  }
}

template <int N, typename scalar_t, typename acc_t>
__global__ void rescale_last_kernel(Image im, scalar_t* y, const acc_t* __restrict__ ratios,
                                    const scalar_t* __restrict__ bias) {
  INPAINTX_ALONG(z, b, im.batch) {
    INPAINTX_ALONG(y, p, im.pixels) {
      const acc_t r = ratios[b * im.pixels + p];
      INPAINTX_ALONG(x, v, im.channels / N) {
        scalar_t* at = y + (b * im.pixels + p) * im.channels + v * N;
        Neighbors<scalar_t, N> value{}, shift{};
        if (r > acc_t(0)) value = load<N>(at);
        if (bias) shift = load<N>(bias + v * N);
        for (int k = 0; k < N; ++k) {
          value.at[k] =
              static_cast<scalar_t>(renormalise(static_cast<acc_t>(value.at[k]), r, static_cast<acc_t>(shift.at[k])));
        }
        store<N>(at, value);
      }
    }
  }
}

bool empty(const Image& im) { return im.batch * im.channels * im.pixels == 0; }

}  // namespace

template <typename scalar_t, typename mask_t>
void apply_mask(const ApplyMask<scalar_t, mask_t>& a, Stream stream) {
  const Image& im = a.image;
  if (empty(im)) return;
  const MaskSteps step{a.mask_batch == 1 ? 0 : a.mask_channels * im.pixels, a.mask_channels == 1 ? 0 : im.pixels};
  constexpr int kWide = 16 / sizeof(scalar_t);
  const bool wide =
      im.channels_last ? fits<kWide>(im.channels, a.x, a.out) : fits<kWide>(im.pixels, a.x, a.out, a.mask);
  with_width<scalar_t>(wide, [&](auto width) {
    constexpr int N = decltype(width)::value;
    if (im.channels_last) {
      const Threads t = threads_over(im.channels / N, 32, im.pixels, 1, im.batch);
      hide_last_kernel<N><<<t.grid, t.block, 0, cuda_stream(stream)>>>(im, step, a.x, a.mask, a.out);
    } else {
      const Threads t = threads_over(im.pixels / N, kThreads, im.channels, kTogether, im.batch);
      hide_planes_kernel<N><<<t.grid, t.block, 0, cuda_stream(stream)>>>(im, step, a.x, a.mask, a.out);
    }
  });
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename acc_t, typename mask_t>
void mask_ratio(const MaskRatio<acc_t, mask_t>& a, Stream stream) {
  const Window& w = a.window;
  if (w.batch * w.out_height * w.out_width == 0) return;
  const int64_t rows = (kTileHeight - 1) * w.stride[0] + w.dilation[0] * (w.kernel[0] - 1) + 1;
  const int64_t columns = (kTileWidth - 1) * w.stride[1] + w.dilation[1] * (w.kernel[1] - 1) + 1;
  const bool kept = rows * columns * int64_t(sizeof(int)) <= kMostShared;
  const dim3 grid(static_cast<unsigned>(divided(w.out_width, kTileWidth)),
                  static_cast<unsigned>(std::min(divided(w.out_height, kTileHeight), kMostBlocks)),
                  static_cast<unsigned>(std::min(w.batch, kMostBlocks)));
  const size_t shared = kept ? rows * columns * sizeof(int) : 0;
  mask_ratio_kernel<<<grid, dim3(kTileWidth, kTileHeight), shared, cuda_stream(stream)>>>(
      w, kept ? static_cast<int>(rows) : 0, kept ? static_cast<int>(columns) : 0, a.mask, a.ratio, a.new_mask);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename scalar_t, typename acc_t>
void rescale(const Rescale<scalar_t, acc_t>& a, Stream stream) {
  const Image& im = a.image;
  if (empty(im)) return;
  constexpr int kWide = 16 / sizeof(scalar_t);
  const bool wide = im.channels_last ? fits<kWide>(im.channels, a.y, a.bias) : fits<kWide>(im.pixels, a.y, a.ratio);
  with_width<scalar_t>(wide, [&](auto width) {
    constexpr int N = decltype(width)::value;
    if (im.channels_last) {
      const Threads t = threads_over(im.channels / N, 32, im.pixels, 1, im.batch);
      rescale_last_kernel<N><<<t.grid, t.block, 0, cuda_stream(stream)>>>(im, a.y, a.ratio, a.bias);
    } else {
      const Threads t = threads_over(im.pixels / N, kThreads, im.channels, kTogether, im.batch);
      rescale_planes_kernel<N><<<t.grid, t.block, 0, cuda_stream(stream)>>>(im, a.y, a.ratio, a.bias);
    }
  });
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template void mask_ratio(const MaskRatio<float, uint8_t>&, Stream);
template void mask_ratio(const MaskRatio<float, float>&, Stream);
template void mask_ratio(const MaskRatio<double, uint8_t>&, Stream);
template void mask_ratio(const MaskRatio<double, float>&, Stream);
#define INSTANTIATE(scalar_t, acc_t)                                     \
  template void apply_mask(const ApplyMask<scalar_t, uint8_t>&, Stream); \
  template void apply_mask(const ApplyMask<scalar_t, float>&, Stream);   \
  template void rescale(const Rescale<scalar_t, acc_t>&, Stream);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(c10::Half, float)
INSTANTIATE(c10::BFloat16, float)
#undef INSTANTIATE

}  // namespace inpaintx::partial_conv::cuda
