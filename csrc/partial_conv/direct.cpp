// The direct convolution: from tensors to one correlation on plain pointers (correlation.h), and from that to threads.
// The forward pass is one phase. The gradient of x with a stride is several, one for each place of a pixel among the
// strides: pixels that differ by a multiple of the stride were seen through the same taps, and no others.
//
// Order of loops: images and tiles are shared by the threads, one tile at a time; within a tile, panels of results'
// channels, then blocks, then taps, then sources' channels (correlation_kernel.h). A result is summed by one thread in
// one order, whatever the cut.
#include "partial_conv/direct.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/isa.h"
#include "common/mask_tensor.h"
#include "common/parallel.h"
#include "partial_conv/correlation.h"
#include "partial_conv/math.h"

namespace inpaintx::partial_conv {

#ifdef INPAINTX_LEVELS
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
namespace avx512 {
// 32 registers: 2 * 14 sums, two vectors that are added, and one or two for what is broadcast.
constexpr int64_t kLanes = 16, kMost = 14;
#include "partial_conv/correlation_kernel.h"
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace avx2 {
// 16 registers: 2 * 6 sums, and the same four.
constexpr int64_t kLanes = 8, kMost = 6;
#include "partial_conv/correlation_kernel.h"
}  // namespace avx2
#pragma GCC pop_options
#endif

namespace {

constexpr int64_t kWeights = 1 << 20;  // more are read too often for the few results of small pictures
constexpr int64_t kTile = 1 << 19;     // of sources, in floats
// Rows of less than kLeastWidth results leave most lanes of a block empty. Beyond kStride most of what is gathered is
// read by no result.
constexpr int64_t kLeastWidth = 32, kStride = 4;
constexpr int64_t kGrain = 1 << 15;  // weights below which a second thread costs more than it saves

template <typename F>
Plan plan(const Correlation& c, const F& compact) {
#ifdef INPAINTX_LEVELS
  return isa() == Isa::kAvx512 ? avx512::plan(c, compact) : avx2::plan(c, compact);
#else
  TORCH_INTERNAL_ASSERT(false, "has_direct() says no");
#endif
}

void tiles(const Correlation& c, const Plan& p, int64_t begin, int64_t end, Scratch& scratch) {
#ifdef INPAINTX_LEVELS
  isa() == Isa::kAvx512 ? avx512::tiles(c, p, begin, end, scratch) : avx2::tiles(c, p, begin, end, scratch);
#else
  TORCH_INTERNAL_ASSERT(false, "has_direct() says no");
#endif
}

Planes planes(const at::Tensor& x) { return {x.size(1), x.size(2), x.size(3), !x.is_contiguous()}; }

Factors factors_of(const at::Tensor& t) {
  Factors f{};
  f.batch = t.size(0), f.channels = t.size(1), f.height = t.size(2), f.width = t.size(3);
  return f;
}

Factors ratio_factors(const at::Tensor& ratio) {
  Factors f = factors_of(ratio);
  f.ratio = ratio.const_data_ptr<float>();
  return f;
}

Factors mask_factors(const at::Tensor& mask) {
  Factors f = factors_of(mask);
  if (mask.scalar_type() == at::kFloat) {
    f.soft = mask_data<float>(mask);
  } else {
    f.hard = mask_data<uint8_t>(mask);
  }
  return f;
}

Correlation correlation(const at::Tensor& source, const Factors& source_factors, const at::Tensor& result,
                        const Factors& result_factors) {
  Correlation c{};
  c.source = source.const_data_ptr<float>();
  c.from = planes(source);
  c.source_factors = source_factors;
  c.result = result.mutable_data_ptr<float>();
  c.to = planes(result);
  c.result_factors = result_factors;
  c.batch = source.size(0);
  return c;
}

// Whether so many results are left out that blocks should fit closely what is not.
bool compact(const Correlation& c) {
  const Factors& f = c.result_factors;
  std::vector<float> scratch(f.width);
  int64_t hidden = 0;
  for (int64_t b = 0; b < f.batch; ++b) {
    for (int64_t y = 0; y < f.height; ++y) {
      const float* row = f.row(b, 0, y, 0, f.width, 1, scratch.data());
      hidden += std::count(row, row + f.width, 0.0f);
    }
  }
  return hidden > kLargeHole * static_cast<double>(f.batch * f.height * f.width);
}

// weight(result's channel, source's channel, ky, kx)
template <typename F>
void correlate(Correlation& c, const F& weight) {
  const Plan p = plan(c, [&] { return compact(c); });
  const int64_t panels = (c.to.channels + p.width - 1) / p.width, rows = c.from.channels;
  size_t most_taps = 0;
  for (Phase& phase : c.phases) {
    most_taps = std::max(most_taps, phase.taps.size());
    const int64_t taps = static_cast<int64_t>(phase.taps.size());
    phase.weight.resize(panels * taps * rows * p.width);
    parallel_for(0, panels * taps, 1 + kGrain / (rows * p.width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto& tap = phase.taps[i % taps];
        const int64_t first = i / taps * p.width;
        float* to = phase.weight.data() + i * rows * p.width;
        for (int64_t s = 0; s < rows; ++s, to += p.width) {
          for (int64_t r = 0; r < std::min(p.width, c.to.channels - first); ++r) {
            to[r] = weight(first + r, s, tap.kernel[0], tap.kernel[1]);
          }
        }
      }
    });
  }
  parallel_for(0, c.batch * p.down * p.across, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    scratch.source.resize(p.seen[0] * p.row);
    scratch.factors.resize(std::max(p.seen[0], c.source_factors.channels) * c.step[1] * p.pitch);
    scratch.straight.resize(p.seen[1]);
    scratch.known.resize(p.seen[0] * (p.seen[1] + 1));
    scratch.blocks.resize(p.blocks);
    scratch.skipped.resize(p.blocks);
    scratch.taps.resize(scratch.blocks.size() * most_taps);
    tiles(c, p, begin, end, scratch);
  });
}

}  // namespace

bool has_direct(const at::Tensor& x, const at::Tensor& weight, const Window& w) {
  if (isa() == Isa::kBaseline || x.scalar_type() != at::kFloat || x.numel() == 0 || weight.numel() == 0) return false;
  if (w.stride[0] > kStride || w.stride[1] > kStride || w.out_width < kLeastWidth) return false;
  const int64_t high = w.stride[0] + w.kernel[0] * w.dilation[0];  // of the sources of the least tile
  const int64_t wide = w.stride[1] * std::min(w.out_width, kTileColumns) + w.kernel[1] * w.dilation[1];
  const int64_t tile = high * wide * std::max(x.size(1), weight.size(0));
  return weight.numel() <= kWeights && tile <= kTile;
}

void direct_forward(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& bias,
                    const at::Tensor& ratio, const Window& w, const at::Tensor& y) {
  Correlation c = correlation(x, mask_factors(mask), y, ratio_factors(ratio));
  c.bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  Phase phase{{0, 0}, w.out_height, w.out_width, {}, {}};
  for (int axis : {0, 1}) c.step[axis] = w.stride[axis], c.spread[axis] = 1;
  for (int64_t ky = 0; ky < w.kernel[0]; ++ky) {
    for (int64_t kx = 0; kx < w.kernel[1]; ++kx) {
      phase.taps.push_back({{ky * w.dilation[0] - w.padding[0], kx * w.dilation[1] - w.padding[1]}, {ky, kx}});
    }
  }
  c.phases.push_back(std::move(phase));
  const auto values = weight.accessor<const float, 4>();
  correlate(c, [&](int64_t r, int64_t s, int64_t ky, int64_t kx) { return values[r][s][ky][kx]; });
}

void direct_backward(const at::Tensor& grad, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& ratio,
                     const Window& w, const at::Tensor& grad_x) {
  Correlation c = correlation(grad, ratio_factors(ratio), grad_x, mask_factors(mask));
  for (int axis : {0, 1}) c.step[axis] = 1, c.spread[axis] = w.stride[axis];
  for (int64_t y = 0; y < w.stride[0]; ++y) {
    for (int64_t x = 0; x < w.stride[1]; ++x) {
      // pixel o * stride + first was seen by the window o - shift / stride through a tap where stride divides that
      Phase phase{{y, x},
                  (w.height - y + w.stride[0] - 1) / w.stride[0],
                  (w.width - x + w.stride[1] - 1) / w.stride[1],
                  {},
                  {}};
      for (int64_t ky = 0; ky < w.kernel[0]; ++ky) {
        for (int64_t kx = 0; kx < w.kernel[1]; ++kx) {
          const int64_t dy = y + w.padding[0] - ky * w.dilation[0], dx = x + w.padding[1] - kx * w.dilation[1];
          if (dy % w.stride[0] == 0 && dx % w.stride[1] == 0) {
            phase.taps.push_back({{dy / w.stride[0], dx / w.stride[1]}, {ky, kx}});
          }
        }
      }
      c.phases.push_back(std::move(phase));
    }
  }
  const auto values = weight.accessor<const float, 4>();
  correlate(c, [&](int64_t r, int64_t s, int64_t ky, int64_t kx) { return values[s][r][ky][kx]; });
}

}  // namespace inpaintx::partial_conv
