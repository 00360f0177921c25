// SPDNorm on the CPU: a block of pixels with all its channels at a time, so that x is read once and what the later
// passes need stays in cache. Contiguous images go by planes: a vector holds neighboring pixels, and the loops are
// channel after channel over a line of them. With channels_last a pixel's channels are one run of memory, and a vector
// holds channels. Variance is taken from the differences to the mean, in a pass of its own: E[x^2] - E[x]^2 would
// cancel.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "spd_norm/kernels.h"
#include "spd_norm/math.h"

namespace inpaintx::spd_norm::cpu {
namespace {

// Pixels of a block: the block with its channels is some 128 KB, and its lines are long enough to be read at speed.
int64_t block_of(int64_t channels) { return std::clamp<int64_t>(32768 / channels / 16 * 16, 64, 1024); }

// One block of `n` neighbouring pixels, channel after channel: line c of an image starts at c * line.
template <typename scalar_t, typename acc_t>
INPAINTX_INLINE void forward_planes(const Forward<scalar_t, acc_t>& a, int64_t b, int64_t first, int64_t n,
                                    acc_t* __restrict kept) {
  const int64_t channels = a.shape.channels, at = b * a.shape.pixels + first;
  acc_t* __restrict mean = a.mean + at, * __restrict rstd = a.rstd + at;
  const acc_t* __restrict p = a.probability + at;
  std::fill_n(mean, n, acc_t(0));
  std::fill_n(rstd, n, acc_t(0));
  for (int64_t c = 0; c < channels; ++c) {
    const scalar_t* x = a.x.data + b * a.x.batch + c * a.x.line + first;
    acc_t* __restrict keep = kept + c * n;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) mean[i] += keep[i] = static_cast<acc_t>(x[i]);
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) mean[i] /= static_cast<acc_t>(channels);
  for (int64_t c = 0; c < channels; ++c) {
    acc_t* __restrict keep = kept + c * n;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      keep[i] -= mean[i];
      rstd[i] += keep[i] * keep[i];
    }
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    rstd[i] = acc_t(1) / std::sqrt(rstd[i] / static_cast<acc_t>(channels - 1) + a.eps);
  }
  for (int64_t c = 0; c < channels; ++c) {
    const acc_t* __restrict keep = kept + c * n;
    const scalar_t* gamma = a.gamma.data + b * a.gamma.batch + c * a.gamma.line + first;
    const scalar_t* beta = a.beta.data + b * a.beta.batch + c * a.beta.line + first;
    scalar_t* __restrict y = a.y.data + b * a.y.batch + c * a.y.line + first;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      y[i] = static_cast<scalar_t>(
          modulate(keep[i] * rstd[i], static_cast<acc_t>(gamma[i]), static_cast<acc_t>(beta[i]), p[i]));
    }
  }
}

// `kept` holds x^ and its gradient of every channel, then two lines of sums.
template <typename scalar_t, typename acc_t>
INPAINTX_INLINE void backward_planes(const Backward<scalar_t, acc_t>& a, int64_t b, int64_t first, int64_t n,
                                     acc_t* __restrict kept) {
  const int64_t channels = a.shape.channels, at = b * a.shape.pixels + first;
  const acc_t* __restrict mean = a.mean + at, * __restrict rstd = a.rstd + at, * __restrict p = a.probability + at;
  acc_t* __restrict sum = kept + 2 * channels * n;
  acc_t* __restrict product = sum + n;
  std::fill_n(sum, 2 * n, acc_t(0));
  if (a.grad_probability) std::fill_n(a.grad_probability + at, n, acc_t(0));
  for (int64_t c = 0; c < channels; ++c) {
    const scalar_t* grad = a.grad.data + b * a.grad.batch + c * a.grad.line + first;
    const scalar_t* x = a.x.data + b * a.x.batch + c * a.x.line + first;
    const scalar_t* gamma = a.gamma.data + b * a.gamma.batch + c * a.gamma.line + first;
    acc_t* __restrict normal = kept + 2 * c * n, * __restrict slope = normal + n;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      normal[i] = (static_cast<acc_t>(x[i]) - mean[i]) * rstd[i];
      slope[i] = grad_normal(static_cast<acc_t>(grad[i]), static_cast<acc_t>(gamma[i]), p[i]);
      sum[i] += slope[i];
      product[i] += slope[i] * normal[i];
    }
    if (a.grad_gamma.data) {
      scalar_t* __restrict out = a.grad_gamma.data + b * a.grad_gamma.batch + c * a.grad_gamma.line + first;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<scalar_t>(static_cast<acc_t>(grad[i]) * p[i] * normal[i]);
    }
    if (a.grad_beta.data) {
      scalar_t* __restrict out = a.grad_beta.data + b * a.grad_beta.batch + c * a.grad_beta.line + first;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<scalar_t>(static_cast<acc_t>(grad[i]) * p[i]);
    }
    if (a.grad_probability) {
      const scalar_t* beta = a.beta.data + b * a.beta.batch + c * a.beta.line + first;
      acc_t* __restrict out = a.grad_probability + at;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) {
        out[i] += grad_probability(static_cast<acc_t>(grad[i]), normal[i], static_cast<acc_t>(gamma[i]),
                                   static_cast<acc_t>(beta[i]));
      }
    }
  }
  if (!a.grad_x.data) return;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    sum[i] /= static_cast<acc_t>(channels);
    product[i] /= static_cast<acc_t>(channels - 1);
  }
  for (int64_t c = 0; c < channels; ++c) {
    const acc_t* __restrict normal = kept + 2 * c * n, * __restrict slope = normal + n;
    scalar_t* __restrict out = a.grad_x.data + b * a.grad_x.batch + c * a.grad_x.line + first;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      out[i] = static_cast<scalar_t>(grad_input(slope[i], normal[i], sum[i], product[i], rstd[i]));
    }
  }
}

// The same with all channels of a pixel side by side.
template <typename scalar_t, typename acc_t>
INPAINTX_INLINE void forward_pixels(const Forward<scalar_t, acc_t>& a, int64_t b, int64_t first, int64_t n,
                                    acc_t* __restrict kept) {
  const int64_t channels = a.shape.channels;
  for (int64_t pixel = first; pixel < first + n; ++pixel) {
    const scalar_t* x = a.x.data + b * a.x.batch + pixel * a.x.line;
    const scalar_t* gamma = a.gamma.data + b * a.gamma.batch + pixel * a.gamma.line;
    const scalar_t* beta = a.beta.data + b * a.beta.batch + pixel * a.beta.line;
    scalar_t* __restrict y = a.y.data + b * a.y.batch + pixel * a.y.line;
    acc_t sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < channels; ++c) sum += kept[c] = static_cast<acc_t>(x[c]);
    const acc_t mean = sum / static_cast<acc_t>(channels);
#pragma omp simd reduction(+ : square)
    for (int64_t c = 0; c < channels; ++c) square += (kept[c] - mean) * (kept[c] - mean);
    const acc_t rstd = acc_t(1) / std::sqrt(square / static_cast<acc_t>(channels - 1) + a.eps);
    const acc_t p = a.probability[b * a.shape.pixels + pixel];
    a.mean[b * a.shape.pixels + pixel] = mean;
    a.rstd[b * a.shape.pixels + pixel] = rstd;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
      y[c] = static_cast<scalar_t>(
          modulate((kept[c] - mean) * rstd, static_cast<acc_t>(gamma[c]), static_cast<acc_t>(beta[c]), p));
    }
  }
}

template <typename scalar_t, typename acc_t>
INPAINTX_INLINE void backward_pixels(const Backward<scalar_t, acc_t>& a, int64_t b, int64_t first, int64_t n,
                                     acc_t* __restrict kept) {
  const int64_t channels = a.shape.channels;
  acc_t* __restrict normal = kept, * __restrict slope = kept + channels;
  for (int64_t pixel = first; pixel < first + n; ++pixel) {
    const int64_t at = b * a.shape.pixels + pixel;
    const acc_t mean = a.mean[at], rstd = a.rstd[at], p = a.probability[at];
    const scalar_t* grad = a.grad.data + b * a.grad.batch + pixel * a.grad.line;
    const scalar_t* x = a.x.data + b * a.x.batch + pixel * a.x.line;
    const scalar_t* gamma = a.gamma.data + b * a.gamma.batch + pixel * a.gamma.line;
    acc_t sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t c = 0; c < channels; ++c) {
      normal[c] = (static_cast<acc_t>(x[c]) - mean) * rstd;
      slope[c] = grad_normal(static_cast<acc_t>(grad[c]), static_cast<acc_t>(gamma[c]), p);
      sum += slope[c];
      product += slope[c] * normal[c];
    }
    if (a.grad_gamma.data) {
      scalar_t* __restrict out = a.grad_gamma.data + b * a.grad_gamma.batch + pixel * a.grad_gamma.line;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c)
        out[c] = static_cast<scalar_t>(static_cast<acc_t>(grad[c]) * p * normal[c]);
    }
    if (a.grad_beta.data) {
      scalar_t* __restrict out = a.grad_beta.data + b * a.grad_beta.batch + pixel * a.grad_beta.line;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) out[c] = static_cast<scalar_t>(static_cast<acc_t>(grad[c]) * p);
    }
    if (a.grad_probability) {
      const scalar_t* beta = a.beta.data + b * a.beta.batch + pixel * a.beta.line;
      acc_t by_p = 0;
#pragma omp simd reduction(+ : by_p)
      for (int64_t c = 0; c < channels; ++c) {
        by_p += grad_probability(static_cast<acc_t>(grad[c]), normal[c], static_cast<acc_t>(gamma[c]),
                                 static_cast<acc_t>(beta[c]));
      }
      a.grad_probability[at] = by_p;
    }
    if (a.grad_x.data) {
      scalar_t* __restrict out = a.grad_x.data + b * a.grad_x.batch + pixel * a.grad_x.line;
      sum /= static_cast<acc_t>(channels);
      product /= static_cast<acc_t>(channels - 1);
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) {
        out[c] = static_cast<scalar_t>(grad_input(slope[c], normal[c], sum, product, rstd));
      }
    }
  }
}

// One overload a type of the four functions above, each compiled for the levels of isa.h: a template cannot be.
#define BLOCK_FUNCTIONS(scalar_t, acc_t)                                                                          \
  INPAINTX_CLONES void planes(const Forward<scalar_t, acc_t>& a, int64_t b, int64_t i, int64_t n, acc_t* kept) {  \
    forward_planes(a, b, i, n, kept);                                                                             \
  }                                                                                                               \
  INPAINTX_CLONES void planes(const Backward<scalar_t, acc_t>& a, int64_t b, int64_t i, int64_t n, acc_t* kept) { \
    backward_planes(a, b, i, n, kept);                                                                            \
  }                                                                                                               \
  INPAINTX_CLONES void pixels(const Forward<scalar_t, acc_t>& a, int64_t b, int64_t i, int64_t n, acc_t* kept) {  \
    forward_pixels(a, b, i, n, kept);                                                                             \
  }                                                                                                               \
  INPAINTX_CLONES void pixels(const Backward<scalar_t, acc_t>& a, int64_t b, int64_t i, int64_t n, acc_t* kept) { \
    backward_pixels(a, b, i, n, kept);                                                                            \
  }
BLOCK_FUNCTIONS(float, float)
BLOCK_FUNCTIONS(double, double)
BLOCK_FUNCTIONS(c10::Half, float)
BLOCK_FUNCTIONS(c10::BFloat16, float)
#undef BLOCK_FUNCTIONS

// `lines`: how many lines of a block (channels_last: of a pixel) a function keeps.
template <typename acc_t, typename Args>
void over_blocks(const Args& a, int64_t lines) {
  const auto& s = a.shape;
  const int64_t block = block_of(s.channels), blocks = (s.pixels + block - 1) / block;
  parallel_for(0, s.batch * blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<acc_t> kept(lines * (s.channels_last ? 1 : std::min(block, s.pixels)));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / blocks, first = task % blocks * block, n = std::min(block, s.pixels - first);
      s.channels_last ? pixels(a, b, first, n, kept.data()) : planes(a, b, first, n, kept.data());
    }
  });
}

}  // namespace

template <typename scalar_t, typename acc_t>
void normalize(const Forward<scalar_t, acc_t>& a) {
  over_blocks<acc_t>(a, a.shape.channels);
}

template <typename scalar_t, typename acc_t>
void normalize_backward(const Backward<scalar_t, acc_t>& a) {
  over_blocks<acc_t>(a, 2 * a.shape.channels + 2);
}

#define INSTANTIATE(scalar_t, acc_t)                        \
  template void normalize(const Forward<scalar_t, acc_t>&); \
  template void normalize_backward(const Backward<scalar_t, acc_t>&);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(c10::Half, float)
INSTANTIATE(c10::BFloat16, float)
#undef INSTANTIATE

}  // namespace inpaintx::spd_norm::cpu
