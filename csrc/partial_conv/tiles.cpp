// ATen's convolution, tile by tile. Order of loops: images and strips of rows are shared by the threads; along a strip,
// runs of cells that see a known pixel are gathered, convolved and scattered, at most kColumns outputs at a time, and
// the rest is set to 0. A tile is one call of at::conv2d on a padded buffer: the library adds each output's terms in
// its own order, which may depend on a tile's size, and the sizes depend on shapes and on the mask, never on threads.
#include "partial_conv/tiles.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "common/mask_tensor.h"
#include "partial_conv/math.h"

namespace inpaintx::partial_conv {
namespace {

constexpr int64_t kColumns = 64;            // outputs along a tile
constexpr int64_t kInputBytes = 768 << 10;  // of a tile: what fits a core's own cache with the output beside it
constexpr int64_t kOutputBytes = 512 << 10;
constexpr int64_t kWeightBytes = 1 << 20;  // the library repacks the weights for every tile
constexpr int64_t kFewestTiles = 8;
constexpr int64_t kCell = 16;  // outputs that are skipped together; half as many where there are few

// Inputs that `count` outputs see along an axis (0 is vertical), those between the taps of a dilated window included.
int64_t inputs_for(const Window& w, int axis, int64_t count) {
  return (count - 1) * w.stride[axis] + (w.kernel[axis] - 1) * w.dilation[axis] + 1;
}

// The highest tile, of a power of two of rows, whose inputs and outputs fit the cache; 0 where even four rows do not: a
// tile of less rows reads most of its inputs twice.
int64_t rows_of_a_tile(const at::Tensor& x, const at::Tensor& weight, const Window& w) {
  const int64_t columns = std::min(kColumns, w.out_width);
  for (int64_t rows = 32; rows >= 4; rows /= 2) {
    const int64_t input = x.size(1) * inputs_for(w, 0, rows) * inputs_for(w, 1, columns) * x.element_size();
    const int64_t output = weight.size(0) * rows * columns * x.element_size();
    if (input <= kInputBytes && output <= kOutputBytes) return rows;
  }
  return 0;
}

template <typename scalar_t, typename mask_t>
// What a call works on, by pointers. `out` and `into` are y's and x's channels; both images are dense in the order that
// `last` says, ratio and masks are planar.
struct Tiler {
  using acc_t = at::opmath_type<scalar_t>;
  const Window& w;
  int64_t into, out;  // channels
  bool last;          // channels_last
  const scalar_t *x, *bias;
  const mask_t* mask;
  const acc_t* ratio;
  scalar_t* y;

  // Input rows and columns from (top, left), zero where hidden or outside, into a dense buffer of the same layout.
  void gather(int64_t b, int64_t top, int64_t left, int64_t rows, int64_t columns, scalar_t* buffer) const {
    const int64_t pixels = w.height * w.width;
    const int64_t first = std::clamp<int64_t>(-left, 0, columns);  // the columns that lie inside
    const int64_t end = std::clamp<int64_t>(w.width - left, first, columns);
    const mask_t* masks = mask + (w.mask_batch == 1 ? 0 : b) * w.mask_channels * pixels;
    if (last) {
      for (int64_t v = 0; v < rows; ++v) {
        scalar_t* to = buffer + v * columns * into;
        const int64_t row = top + v;
        if (row < 0 || row >= w.height) {
          std::fill_n(to, columns * into, scalar_t(0));
          continue;
        }
        std::fill_n(to, first * into, scalar_t(0));
        for (int64_t u = first; u < end; ++u) {
          const int64_t pixel = row * w.width + left + u;
          const scalar_t* from = x + (b * pixels + pixel) * into;
          if (w.mask_channels > 1) {
            for (int64_t c = 0; c < into; ++c) {
              to[u * into + c] = is_hole(masks[c * pixels + pixel]) ? scalar_t(0) : from[c];
            }
          } else if (is_hole(masks[pixel])) {
            std::fill_n(to + u * into, into, scalar_t(0));
          } else {
            std::copy_n(from, into, to + u * into);
          }
        }
        std::fill_n(to + end * into, (columns - end) * into, scalar_t(0));
      }
      return;
    }
    for (int64_t c = 0; c < into; ++c) {
      const mask_t* hidden = masks + (w.mask_channels > 1 ? c * pixels : 0);
      for (int64_t v = 0; v < rows; ++v) {
        scalar_t* to = buffer + (c * rows + v) * columns;
        const int64_t row = top + v;
        if (row < 0 || row >= w.height) {
          std::fill_n(to, columns, scalar_t(0));
          continue;
        }
        std::fill_n(to, first, scalar_t(0));
        const mask_t* hole = hidden + row * w.width + left;
        const scalar_t* from = x + (b * into + c) * pixels + row * w.width + left;
#pragma omp simd
        for (int64_t u = first; u < end; ++u) to[u] = is_hole(hole[u]) ? scalar_t(0) : from[u];
        std::fill_n(to + end, columns - end, scalar_t(0));
      }
    }
  }

  // The rescaled output of a tile, or zeros where `conv` is null.
  void scatter(int64_t b, int64_t top, int64_t left, int64_t rows, int64_t columns, const scalar_t* conv) const {
    const int64_t pixels = w.out_height * w.out_width;
    for (int64_t c = 0; c < (last ? 1 : out); ++c) {
      for (int64_t v = 0; v < rows; ++v) {
        const int64_t pixel = (top + v) * w.out_width + left;
        const acc_t* r = ratio + b * pixels + pixel;
        if (last) {
          scalar_t* to = y + (b * pixels + pixel) * out;
          for (int64_t u = 0; u < columns; ++u) {
            for (int64_t o = 0; o < out; ++o) {
              const acc_t shift = bias ? static_cast<acc_t>(bias[o]) : acc_t(0);
              const acc_t value = conv ? static_cast<acc_t>(conv[(v * columns + u) * out + o]) : acc_t(0);
              to[u * out + o] = static_cast<scalar_t>(renormalise(value, r[u], shift));
            }
          }
          continue;
        }
        scalar_t* to = y + (b * out + c) * pixels + pixel;
        if (!conv) {
          std::fill_n(to, columns, scalar_t(0));
          continue;
        }
        const scalar_t* from = conv + (c * rows + v) * columns;
        const acc_t shift = bias ? static_cast<acc_t>(bias[c]) : acc_t(0);
#pragma omp simd
        for (int64_t u = 0; u < columns; ++u) {
          to[u] = static_cast<scalar_t>(renormalise(static_cast<acc_t>(from[u]), r[u], shift));
        }
      }
    }
  }

  // Whether any output of a tile sees a known pixel.
  bool sees(int64_t b, int64_t top, int64_t left, int64_t rows, int64_t columns) const {
    for (int64_t v = 0; v < rows; ++v) {
      const acc_t* r = ratio + (b * w.out_height + top + v) * w.out_width + left;
      if (std::any_of(r, r + columns, [](acc_t value) { return value > acc_t(0); })) return true;
    }
    return false;
  }

  // Half as wide in small images, where a hole of the same share leaves fewer whole cells.
  int64_t cell() const { return std::min(w.out_height, w.out_width) < 8 * kCell ? kCell / 2 : kCell; }

  // A strip of rows: runs of cells that see known pixels are convolved, at most kColumns at a time, the others zeroed.
  void strip(const at::Tensor& x_, const at::Tensor& weight, int64_t b, int64_t top, int64_t rows) const {
    const int64_t cell = this->cell();
    const auto layout = last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    for (int64_t left = 0, right; left < w.out_width; left = right) {
      right = std::min(left + cell, w.out_width);
      const bool active = sees(b, top, left, rows, right - left);
      while (right < w.out_width && (!active || right - left < kColumns) &&
             sees(b, top, right, rows, std::min(cell, w.out_width - right)) == active) {
        right = std::min(right + cell, w.out_width);
      }
      const int64_t columns = right - left;
      if (!active) {
        scatter(b, top, left, rows, columns, nullptr);
        continue;
      }
      const at::Tensor buffer =
          at::empty({1, into, inputs_for(w, 0, rows), inputs_for(w, 1, columns)}, x_.options(), layout);
      gather(b, top * w.stride[0] - w.padding[0], left * w.stride[1] - w.padding[1], buffer.size(2), buffer.size(3),
             buffer.mutable_data_ptr<scalar_t>());
      const at::Tensor conv = at::conv2d(buffer, weight, {}, at::IntArrayRef(w.stride), at::IntArrayRef({0, 0}),
                                         at::IntArrayRef(w.dilation))
                                  .contiguous(layout);
      scatter(b, top, left, rows, columns, conv.const_data_ptr<scalar_t>());
    }
  }

  void convolve(const at::Tensor& x_, const at::Tensor& weight, int64_t rows_each) const {
    const int64_t total = w.batch * w.out_height * w.out_width;
    const bool mostly_hole = std::count(ratio, ratio + total, acc_t(0)) > kLargeHole * static_cast<double>(total);
    if (mostly_hole) rows_each = std::min(rows_each, cell());  // lower strips fit a hole more closely
    const int64_t strips = (w.out_height + rows_each - 1) / rows_each;
    at::parallel_for(0, w.batch * strips, 1, [&](int64_t begin, int64_t end) {
      const c10::NoGradGuard no_grad;  // not inherited by the pool's threads
      for (int64_t i = begin; i < end; ++i) {
        const int64_t top = i % strips * rows_each;
        strip(x_, weight, i / strips, top, std::min(rows_each, w.out_height - top));
      }
    });
  }
};

}  // namespace

// Of fewer tiles than kFewestTiles not every thread has one, and an image that small lies in cache anyhow.
bool use_tiles(const at::Tensor& x, const at::Tensor& weight, const Window& w) {
  const int64_t rows = rows_of_a_tile(x, weight, w);
  if (rows == 0 || weight.numel() * weight.element_size() > kWeightBytes) return false;
  const int64_t tiles = (w.out_height + rows - 1) / rows * ((w.out_width + kColumns - 1) / kColumns);
  return w.batch * tiles >= kFewestTiles;
}

void convolve_tiles(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& bias,
                    const at::Tensor& ratio, const Window& w, const at::Tensor& y) {
  const at::Tensor fixed = weight.detach();
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x.scalar_type(), "partial_conv2d", [&] {
    dispatch_mask(mask, [&](auto m) {
      using mask_t = decltype(m);
      Tiler<scalar_t, mask_t>{w,
                              x.size(1),
                              y.size(1),
                              !x.is_contiguous() || !y.is_contiguous(),
                              x.const_data_ptr<scalar_t>(),
                              bias.defined() ? bias.const_data_ptr<scalar_t>() : nullptr,
                              mask_data<mask_t>(mask),
                              ratio.const_data_ptr<at::opmath_type<scalar_t>>(),
                              y.mutable_data_ptr<scalar_t>()}
          .convolve(x, fixed, rows_of_a_tile(x, weight, w));
    });
  });
}

}  // namespace inpaintx::partial_conv
