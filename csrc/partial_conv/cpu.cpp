// The kernels of kernels.h on the CPU. Windows are summed separably: the known inputs of each pixel over the mask's
// channels, then along rows, then down columns, in integers, so that a window without a known pixel is found exactly,
// and so that the order of sums does not matter. kh + kw additions a window instead of kh * kw.
//
// Invariant: results do not depend on the number of threads. Elementwise loops may be cut anywhere; the sums of a
// bias's gradient go through partial sums whose bounds depend on the shape alone.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "partial_conv/kernels.h"
#include "partial_conv/math.h"

namespace inpaintx::partial_conv::cpu {
namespace {

constexpr int64_t kShort = 1024;     // terms of a sum in the accumulator's own precision
constexpr int64_t kGrain = 1 << 15;  // elements below which a second thread costs more than it saves
constexpr int64_t kCounted = 2048;   // pixels whose counts stay in the nearest cache

// Calls f(begin, end) over units of `size` elements each.
template <typename F>
void over(int64_t units, int64_t size, const F& f) {
  parallel_for(0, units, std::max<int64_t>(1, kGrain / std::max<int64_t>(size, 1)), f);
}

template <typename scalar_t, typename mask_t>
INPAINTX_INLINE void hide_plane(const scalar_t* x, const mask_t* mask, scalar_t* out, int64_t n) {
#pragma omp simd
  for (int64_t p = 0; p < n; ++p) {
    const scalar_t value = x[p];  // read in any case, or the loop stays scalar
    out[p] = is_hole(mask[p]) ? scalar_t(0) : value;
  }
}
template <typename scalar_t, typename mask_t>
void hide(const scalar_t* x, const mask_t* mask, scalar_t* out, int64_t n) {
  hide_plane(x, mask, out, n);
}
INPAINTX_CLONES void hide(const float* x, const float* mask, float* out, int64_t n) { hide_plane(x, mask, out, n); }

// known[p] loses the holes; with x, `hidden` is what remains of it.
template <typename mask_t>
INPAINTX_INLINE void take_holes_of(const mask_t* mask, int32_t* known, const float* x, float* hidden, int64_t n) {
  constexpr auto kHole = static_cast<mask_t>(0.5f);  // above it; of a byte, above 0
  if (x) {
#pragma omp simd
    for (int64_t p = 0; p < n; ++p) {
      const float value = x[p];
      known[p] -= mask[p] > kHole;
      hidden[p] = mask[p] > kHole ? 0.0f : value;
    }
  } else {
#pragma omp simd
    for (int64_t p = 0; p < n; ++p) known[p] -= mask[p] > kHole;
  }
}
INPAINTX_CLONES void take_holes(const float* mask, int32_t* known, const float* x, float* hidden, int64_t n) {
  take_holes_of(mask, known, x, hidden, n);
}
INPAINTX_CLONES void take_holes(const uint8_t* mask, int32_t* known, const float* x, float* hidden, int64_t n) {
  take_holes_of(mask, known, x, hidden, n);
}

}  // namespace

template <typename scalar_t, typename mask_t>
void apply_mask(const ApplyMask<scalar_t, mask_t>& a) {
  const auto& im = a.image;
  const int64_t image_stride = a.mask_batch == 1 ? 0 : a.mask_channels * im.pixels;
  if (!im.channels_last) {
    over(im.batch * im.channels, im.pixels, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t c = a.mask_channels == 1 ? 0 : plane % im.channels;
        const mask_t* mask = a.mask + plane / im.channels * image_stride + c * im.pixels;
        hide(a.x + plane * im.pixels, mask, a.out + plane * im.pixels, im.pixels);
      }
    });
    return;
  }
  over(im.batch * im.pixels, im.channels, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const mask_t* mask = a.mask + pixel / im.pixels * image_stride + pixel % im.pixels;
      const scalar_t* x = a.x + pixel * im.channels;
      scalar_t* out = a.out + pixel * im.channels;
      if (a.mask_channels > 1) {
        for (int64_t c = 0; c < im.channels; ++c) out[c] = is_hole(mask[c * im.pixels]) ? scalar_t(0) : x[c];
      } else if (is_hole(*mask)) {
        std::fill_n(out, im.channels, scalar_t(0));
      } else {
        std::copy_n(x, im.channels, out);
      }
    }
  });
}

namespace {

// sums[x] = the known inputs of window x along a row. `split` is room for the padded row in `stride` parts, so that
// every tap of neighbouring windows reads neighbors; strides that leave most of it unread take each window by itself.
constexpr int64_t kSplitStride = 4;

INPAINTX_CLONES void row_sums(const Window& w, const int32_t* known, std::vector<int32_t>& split, int32_t* sums) {
  const int64_t step = w.stride[1], pad = w.padding[1];
  if (step > kSplitStride) {
    for (int64_t x = 0; x < w.out_width; ++x) {
      const int64_t start = x * step - pad;
      const Taps taps = taps_inside(start, w.kernel[1], w.dilation[1], w.width);
      sums[x] = 0;
      for (int64_t t = taps.first; t < taps.last; ++t) sums[x] += known[start + t * w.dilation[1]];
    }
    return;
  }
  const int64_t part = static_cast<int64_t>(split.size()) / step;
  for (int64_t rest = 0; rest < step; ++rest) {
    int32_t* to = split.data() + rest * part + (pad - rest + step - 1) / step;
    for (int64_t x = ((rest - pad) % step + step) % step; x < w.width; x += step) *to++ = known[x];
  }
  std::fill_n(sums, w.out_width, 0);
  for (int64_t t = 0; t < w.kernel[1]; ++t) {
    const int64_t at = t * w.dilation[1];
    const int32_t* from = split.data() + at % step * part + at / step;
#pragma omp simd
    for (int64_t x = 0; x < w.out_width; ++x) sums[x] += from[x];
  }
}

INPAINTX_CLONES void add_row(const int32_t* row, int32_t* sums, int64_t n) {
#pragma omp simd
  for (int64_t x = 0; x < n; ++x) sums[x] += row[x];
}

}  // namespace

// The window sum is separable: known channels of a pixel, then along the row, then down the columns.
template <typename acc_t, typename mask_t>
void mask_ratio(const MaskRatio<acc_t, mask_t>& a) {
  const auto& w = a.window;
  const int64_t pixels = w.height * w.width, step = w.stride[1];
  const int64_t part = step > kSplitStride ? 0 : (w.width + 2 * w.padding[1] + step - 1) / step;
  const int64_t fit = kCounted / std::max<int64_t>(w.width, 1);
  const int64_t together = std::max<int64_t>(1, std::min(w.height, fit));
  const int64_t blocks = (w.height + together - 1) / together;
  const auto row_sums_of = [&](int64_t b, int64_t begin, int64_t end, int32_t* rows) {
    const mask_t* mask = a.mask + (w.mask_batch == 1 ? 0 : b) * w.mask_channels * pixels;
    std::vector<int32_t> known(together * w.width), split(part * step);
    for (int64_t top = begin * together; top < std::min(end * together, w.height); top += together) {
      const int64_t count = std::min(together, w.height - top), at = top * w.width;
      std::fill(known.begin(), known.end(), static_cast<int32_t>(w.mask_channels));
      for (int64_t c = 0; c < w.mask_channels; ++c) {
        const int64_t plane = (b * w.mask_channels + c) * pixels + at;
        take_holes(mask + c * pixels + at, known.data(), a.x ? a.x + plane : nullptr, a.x ? a.masked + plane : nullptr,
                   count * w.width);
      }
      for (int64_t y = 0; y < count; ++y) {
        row_sums(w, known.data() + y * w.width, split, rows + (top + y) * w.out_width);
      }
    }
  };
  const auto ratios_of = [&](int64_t b, int64_t begin, int64_t end, const int32_t* rows) {
    std::vector<int32_t> sums(w.out_width);
    for (int64_t y = begin; y < end; ++y) {
      const int64_t start = y * w.stride[0] - w.padding[0];
      const Taps taps = taps_inside(start, w.kernel[0], w.dilation[0], w.height);
      std::fill(sums.begin(), sums.end(), 0);
      for (int64_t t = taps.first; t < taps.last; ++t) {
        add_row(rows + (start + t * w.dilation[0]) * w.out_width, sums.data(), w.out_width);
      }
      acc_t* out = a.ratio + (b * w.out_height + y) * w.out_width;
      mask_t* empty = a.new_mask + (b * w.out_height + y) * w.out_width;
      for (int64_t x = 0; x < w.out_width; ++x) {
        out[x] = ratio<acc_t>(sums[x], static_cast<acc_t>(w.scale));
        empty[x] = static_cast<mask_t>(sums[x] == 0);
      }
    }
  };
  const auto images = [&](int64_t begin, int64_t end) {
    std::vector<int32_t> rows(w.height * w.out_width);
    for (int64_t b = begin; b < end; ++b) {  // of few images each is shared by the threads
      over(blocks, together * w.width * w.mask_channels,
           [&](int64_t first, int64_t last) { row_sums_of(b, first, last, rows.data()); });
      over(w.out_height, w.out_width * w.kernel[0],
           [&](int64_t first, int64_t last) { ratios_of(b, first, last, rows.data()); });
    }
  };
  w.batch < available_threads() ? images(0, w.batch) : parallel_for(0, w.batch, 1, images);
}

template <typename scalar_t, typename acc_t>
void rescale(const Rescale<scalar_t, acc_t>& a) {
  const auto& im = a.image;
  if (!im.channels_last) {
    over(im.batch * im.channels, im.pixels, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const acc_t* ratio = a.ratio + plane / im.channels * im.pixels;
        const acc_t bias = a.bias ? static_cast<acc_t>(a.bias[plane % im.channels]) : acc_t(0);
        scalar_t* y = a.y + plane * im.pixels;
#pragma omp simd
        for (int64_t p = 0; p < im.pixels; ++p) {
          y[p] = static_cast<scalar_t>(renormalise(static_cast<acc_t>(y[p]), ratio[p], bias));
        }
      }
    });
    return;
  }
  over(im.batch * im.pixels, im.channels, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      scalar_t* y = a.y + pixel * im.channels;
      for (int64_t c = 0; c < im.channels; ++c) {
        const acc_t bias = a.bias ? static_cast<acc_t>(a.bias[c]) : acc_t(0);
        y[c] = static_cast<scalar_t>(renormalise(static_cast<acc_t>(y[c]), a.ratio[pixel], bias));
      }
    }
  });
}

// Bias sums go through a partial sum for every image (NCHW) or block of pixels (channels_last), added in order, so
// that the result does not depend on the number of threads.
template <typename scalar_t, typename acc_t>
void scale_gradient(const ScaleGradient<scalar_t, acc_t>& a) {
  const auto& im = a.image;
  if (!im.channels_last) {
    std::vector<acc_t> partial(im.batch * im.channels);
    over(im.batch * im.channels, im.pixels, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const acc_t* ratio = a.ratio + plane / im.channels * im.pixels;
        const scalar_t* grad = a.grad + plane * im.pixels;
        scalar_t* out = a.out + plane * im.pixels;
        double total = 0;  // over short sums, so that large planes lose no digits
        for (int64_t first = 0; first < im.pixels; first += kShort) {
          acc_t sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t p = first; p < std::min(first + kShort, im.pixels); ++p) {
            const acc_t g = static_cast<acc_t>(grad[p]);
            sum += ratio[p] > acc_t(0) ? g : acc_t(0);
            out[p] = ratio[p] > acc_t(0) ? static_cast<scalar_t>(g * ratio[p]) : scalar_t(0);
          }
          total += static_cast<double>(sum);
        }
        partial[plane] = static_cast<acc_t>(total);
      }
    });
    if (!a.grad_bias) return;
    for (int64_t c = 0; c < im.channels; ++c) {
      a.grad_bias[c] = 0;
      for (int64_t b = 0; b < im.batch; ++b) a.grad_bias[c] += partial[b * im.channels + c];
    }
    return;
  }
  constexpr int64_t kBlock = 256;
  const int64_t pixels = im.batch * im.pixels, blocks = (pixels + kBlock - 1) / kBlock;
  std::vector<acc_t> partial(blocks * im.channels);
  over(blocks, kBlock * im.channels, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      acc_t* sum = partial.data() + block * im.channels;
      for (int64_t pixel = block * kBlock; pixel < std::min(pixels, (block + 1) * kBlock); ++pixel) {
        const acc_t ratio = a.ratio[pixel];
        const scalar_t* grad = a.grad + pixel * im.channels;
        scalar_t* out = a.out + pixel * im.channels;
        for (int64_t c = 0; c < im.channels; ++c) {
          const acc_t g = static_cast<acc_t>(grad[c]);
          sum[c] += ratio > acc_t(0) ? g : acc_t(0);
          out[c] = ratio > acc_t(0) ? static_cast<scalar_t>(g * ratio) : scalar_t(0);
        }
      }
    }
  });
  if (!a.grad_bias) return;
  std::fill_n(a.grad_bias, im.channels, acc_t(0));
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t c = 0; c < im.channels; ++c) a.grad_bias[c] += partial[block * im.channels + c];
  }
}

template void mask_ratio(const MaskRatio<float, uint8_t>&);
template void mask_ratio(const MaskRatio<float, float>&);
template void mask_ratio(const MaskRatio<double, uint8_t>&);
template void mask_ratio(const MaskRatio<double, float>&);
#define INSTANTIATE(scalar_t, acc_t)                             \
  template void apply_mask(const ApplyMask<scalar_t, uint8_t>&); \
  template void apply_mask(const ApplyMask<scalar_t, float>&);   \
  template void rescale(const Rescale<scalar_t, acc_t>&);        \
  template void scale_gradient(const ScaleGradient<scalar_t, acc_t>&);
INSTANTIATE(float, float)
INSTANTIATE(double, double)
INSTANTIATE(c10::Half, float)
INSTANTIATE(c10::BFloat16, float)
#undef INSTANTIATE

}  // namespace inpaintx::partial_conv::cpu
