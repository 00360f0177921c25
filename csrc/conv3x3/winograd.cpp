// Winograd's convolution by two orders of work.
//
//   by tiles:    a thread transforms some tiles of all channels, multiplies them with all weights, whose transforms are
//                made once and shared, and transforms the results back: everything of a tile stays in its cache. For
//                large images.
//   by weights:  the tiles are transformed once and shared, and a thread transforms some weights as it needs them: for
//                few tiles, where transforming the weights is what takes time, and for more weights than are worth
//                keeping.
//
// A product is 36 small matrix products, one a term: [tiles, channels in] x [channels in, channels out]. Rows and terms
// are padded so that they do not begin on the same lines of the cache. Which order is taken depends on shapes alone,
// and each sums in one order, so that results do not depend on the number of threads.
#include "conv3x3/winograd.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/allocator.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "common/prefetch.h"
#include "conv3x3/grid.h"
#include "conv3x3/image_view.h"

namespace inpaintx::winograd {

#ifdef INPAINTX_LEVELS
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
namespace avx512 {
constexpr int64_t kLanes = 16, kRows = 14;
#include "conv3x3/transforms.h"
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace avx2 {
constexpr int64_t kLanes = 8, kRows = 6;
#include "conv3x3/transforms.h"
}  // namespace avx2
#pragma GCC pop_options
#endif

namespace {

using at::Tensor;

constexpr int64_t kOwn = 1 << 17;          // floats: of the sources' terms that a thread takes through at a time
constexpr int64_t kShared = 1 << 20;       // floats: of the terms that all threads sum up at a time
constexpr int64_t kFewTiles = 64;          // up to here, transforming weights is what takes time
constexpr int64_t kManyWeights = 8 << 20;  // floats: of terms that are not kept

// What runs here, or null.
const Kernels* kernels() {
#ifdef INPAINTX_LEVELS
  return isa() == Isa::kAvx512 ? &avx512::kKernels : isa() == Isa::kAvx2 ? &avx2::kKernels : nullptr;
#else
  return nullptr;
#endif
}

int64_t round_up(int64_t n, int64_t to) { return divide_up(n, to) * to; }
int64_t panel() { return 2 * kernels()->lanes; }

template <typename T>
ImageView<T> picture(const Tensor& x, T* data, const Tensor& factors, int64_t lead_y = 0, int64_t lead_x = 0) {
  const bool has = factors.defined();
  return {data,
          x.size(1),
          x.size(2),
          x.size(3),
          !x.is_contiguous(),
          {lead_y, lead_x},
          has ? factors.const_data_ptr<float>() : nullptr,
          has && factors.size(0) > 1 ? x.size(2) * x.size(3) : 0};
}

// As many parts of equal size as it takes for none to be larger than `most`.
int64_t even(int64_t total, int64_t most) { return divide_up(total, divide_up(total, std::max<int64_t>(most, 1))); }

// Memory for terms. Neither terms nor tiles begin on the same lines of the cache.
struct Layout {
  int64_t tiles, pitch, term;
  Layout(int64_t tiles, int64_t channels)
      : tiles(tiles), pitch(round_up(channels, panel()) + kernels()->lanes), term(tiles * pitch + kernels()->lanes) {}
  int64_t floats() const { return kTerms * term; }
  Terms by_tile(float* data) const { return {data, term, pitch, panel()}; }
  Terms by_panel(float* data) const { return {data, term, panel(), tiles * panel()}; }
};

// A gradient of x is a correlation with rotated windows.
struct Weights {
  const Tensor values;  // [outs, ins, 3, 3]
  bool rotated;
  int64_t from() const { return values.size(rotated ? 0 : 1); }
  int64_t to() const { return values.size(rotated ? 1 : 0); }
  // Of a panel from `result`, and `count` sources.
  void terms(int64_t result, int64_t source, int64_t count, float* out, int64_t term) const {
    const float *data = values.const_data_ptr<float>(), *end = data + values.numel();
    const int64_t apart = values.size(1) * 9;
    data += rotated ? source * apart + result * 9 : result * apart + source * 9;
    kernels()->transform_filter(data, apart, rotated, std::min(panel(), to() - result), count, end, out, term);
  }
};

// A correlation of `source` with windows, into `result`, in either order of work. Everything is set before the threads
// start; they write disjoint tiles (by_tiles) or disjoint panels of channels (by_weights).
struct Correlation {
  ImageView<const float> source;
  ImageView<float> result;
  Grid grid;
  Weights weights;
  const float* bias;

  int64_t panels() const { return divide_up(weights.to(), panel()); }

  void clear() const {
    const int64_t planes = result.channels_last ? 1 : result.channels, values = result.channels / planes;
    const int64_t runs = static_cast<int64_t>(grid.left_out().size());
    parallel_for(0, planes * runs, 1 + kGrain / (kTile * kTile * values), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Segment& s = grid.left_out()[i % runs];
        const int64_t columns = std::min(s.count * kTile, result.width - s.x * kTile);
        for (int64_t y = s.y * kTile; y < std::min((s.y + 1) * kTile, result.height); ++y) {
          const int64_t row = (s.image * planes + i / runs) * result.height + y;
          std::fill_n(result.data + (row * result.width + s.x * kTile) * values, columns * values, 0.0f);
        }
      }
    });
  }

  void write(int64_t p, int64_t begin, int64_t end, const float* sums, int64_t term) const {
    for (int64_t channel = p * panel(); channel < std::min((p + 1) * panel(), weights.to());
         channel += kernels()->lanes) {
      grid.each(begin, begin, end,
                [&](const Segment& s) { kernels()->inverse_transform(result, s, channel, sums, term, bias); });
    }
  }

  // Asks for one of kTerms parts of the memory that a segment's results of panel p go to.
  void prefetch(const Segment& s, int64_t p, int64_t part) const {
    const int64_t top = s.y * kTile, left = s.x * kTile, first = p * panel();
    const int64_t rows = std::min(kTile, result.height - top), columns = std::min(s.count * kTile, result.width - left);
    const int64_t channels = std::min(panel(), result.channels - first), pixels = result.height * result.width;
    const float* const image = result.data + s.image * result.channels * pixels;
    if (result.channels_last) {
      for (int64_t i = part; i < rows * columns; i += kTerms) {
        const int64_t pixel = (top + i / columns) * result.width + left + i % columns;
        inpaintx::prefetch<Use::kWrite, false>(image + pixel * result.channels + first, channels);
      }
    } else if (part < channels) {
      const float* const plane = image + (first + part) * pixels + left;
      for (int64_t y = top; y < top + rows; ++y)
        inpaintx::prefetch<Use::kWrite, false>(plane + y * result.width, columns);
    }
  }

  // Each thread takes some tiles through, with all weights.
  void by_tiles() const {
    const int64_t from = weights.from(), channels = round_up(from, panel());
    const int64_t rows = kernels()->rows;
    const int64_t together = std::min(grid.tiles(), std::max<int64_t>(kOwn / (kTerms * channels) / rows, 1) * rows);
    const Layout sources(together, from), sums(together, panel());
    const int64_t term = from * panel() + kernels()->lanes;
    const int64_t chunks = divide_up(grid.tiles(), together), each = sources.floats() + sums.floats();
    const Workspace weight_memory(panels() * kTerms * term * sizeof(float), false);
    const Workspace memory(each * std::min<int64_t>(available_threads(), chunks) * sizeof(float), false);
    float* const terms = weight_memory.as<float>();
    constexpr int64_t kPart = 64;
    const int64_t parts = divide_up(from, kPart);
    parallel_for(0, panels() * parts, 1 + kGrain / (kTerms * kPart * panel()), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t p = i / parts, s = i % parts * kPart;
        weights.terms(p * panel(), s, std::min(kPart, from - s), terms + p * kTerms * term + s * panel(), term);
      }
    });
    parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      float* const seen = memory.as<float>() + each * thread_index();
      float* const sum = seen + sources.floats();
      for (int64_t t = begin * together; t < std::min(end * together, grid.tiles()); t += together) {
        const int64_t tiles = std::min(together, grid.tiles() - t);
        for (int64_t c = 0; c < from; c += kernels()->lanes) {
          grid.each(t, t, t + tiles,
                    [&](const Segment& s) { kernels()->transform_input(source, s, c, sources.by_tile(seen)); });
        }
        for (int64_t p = 0; p < panels(); ++p) {
          for (int64_t i = 0; i < kTerms; ++i) {
            grid.each(t, t, t + tiles, [&](const Segment& s) { prefetch(s, p, i); });
            kernels()->multiply({seen + i * sources.term, sources.pitch, 1, terms + (p * kTerms + i) * term,
                                 sum + i * sums.term, panel(), tiles, from, false});
          }
          write(p, t, t + tiles, sum, sums.term);
        }
      }
    });
  }

  // Each thread takes some weights through, with all tiles.
  void by_weights() const {
    constexpr int64_t kMost = 128, kPart = 96;  // tiles and sources at a time
    const int64_t from = weights.from(), together = even(grid.tiles(), kMost), part = std::min(from, kPart);
    const int64_t term = part * panel() + kernels()->lanes;
    const Layout sources(together, from), sums(together, panel());
    const int64_t each = kTerms * term + sums.floats();
    const Workspace source_memory(sources.floats() * sizeof(float), false);
    const Workspace memory(each * std::min<int64_t>(available_threads(), panels()) * sizeof(float), false);
    float* const seen = source_memory.as<float>();
    for (int64_t t = 0; t < grid.tiles(); t += together) {
      const int64_t tiles = std::min(together, grid.tiles() - t);
      grid.all(t, t + tiles, from, kernels()->lanes, [&](const Segment& s, int64_t channel) {
        kernels()->transform_input(source, s, channel, sources.by_tile(seen));
      });
      parallel_for(0, panels(), 1, [&](int64_t begin, int64_t end) {
        float* const terms = memory.as<float>() + each * thread_index();
        float* const sum = terms + kTerms * term;
        for (int64_t p = begin; p < end; ++p) {
          for (int64_t c = 0; c < from; c += part) {
            const int64_t count = std::min(part, from - c);
            weights.terms(p * panel(), c, count, terms, term);
            for (int64_t i = 0; i < kTerms; ++i) {
              kernels()->multiply({seen + i * sources.term + c, sources.pitch, 1, terms + i * term, sum + i * sums.term,
                                   panel(), tiles, count, c > 0});
            }
          }
          write(p, t, t + tiles, sum, sums.term);
        }
      });
    }
  }
};

void correlate(const Tensor& x, const Tensor& weight, const Tensor& bias, bool rotated, int64_t lead_y, int64_t lead_x,
               const Tensor& x_factors, const Tensor& y_factors, const Tensor& y) {
  const Correlation c{picture(x, x.const_data_ptr<float>(), x_factors, lead_y, lead_x),
                      picture(y, y.mutable_data_ptr<float>(), y_factors),
                      Grid(y, y_factors),
                      {weight.contiguous(), rotated},
                      bias.defined() ? bias.const_data_ptr<float>() : nullptr};
  c.clear();
  if (c.grid.tiles() == 0) return;
  const bool many = kTerms * weight.size(0) * weight.size(1) > kManyWeights;
  many || c.grid.tiles() <= kFewTiles ? c.by_weights() : c.by_tiles();
}

bool fits(const Tensor& x, int64_t lead_y, int64_t lead_x) {
  return kernels() && x.is_cpu() && x.scalar_type() == at::kFloat && x.numel() > 0 && std::min(lead_y, lead_x) >= 0 &&
         std::max(lead_y, lead_x) <= 2;
}

// With fewer than 16 channels on one side, or with 16 to 31 there and fewer than 64 on the other, the transforms
// outweigh the products that they save. So they do in images so small that their tiles cover more than twice their
// pixels, which the last condition asks for.
bool worth_transforming(const Tensor& x, int64_t to, int64_t lead_y, int64_t lead_x) {
  constexpr int64_t kFewest = 4;  // tiles
  if (!fits(x, lead_y, lead_x)) return false;
  const int64_t from = x.size(1), height = x.size(2) + 2 * lead_y - 2, width = x.size(3) + 2 * lead_x - 2;
  const int64_t tiles = x.size(0) * divide_up(height, kTile) * divide_up(width, kTile);
  const int64_t less = std::min(from, to), more = std::max(from, to);
  return less >= 16 && more >= (less < 32 ? 64 : 32) && tiles >= kFewest &&
         tiles * kTile * kTile <= 2 * x.size(0) * height * width;
}

}  // namespace

bool use_winograd(const Tensor& x, const Tensor& weight, at::IntArrayRef padding) {
  return worth_transforming(x, weight.size(0), padding[0], padding[1]);
}

bool use_winograd_for_input(const Tensor& grad, const Tensor& weight, at::IntArrayRef padding) {
  return worth_transforming(grad, weight.size(1), 2 - padding[0], 2 - padding[1]);
}

bool use_winograd_for_weight(const Tensor& grad, const Tensor& x, at::IntArrayRef padding) {
  constexpr int64_t kFewest = 32;  // tiles: with less, what is left are the transforms of the weights' gradient
  return fits(x, padding[0], padding[1]) && std::min(x.size(1), grad.size(1)) >= 32 && grad.numel() > 0 &&
         grad.size(0) * divide_up(grad.size(2), kTile) * divide_up(grad.size(3), kTile) >= kFewest;
}

void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, at::IntArrayRef padding, const Tensor& y,
             const Tensor& x_factors, const Tensor& y_factors) {
  correlate(x, weight, bias, false, padding[0], padding[1], x_factors, y_factors, y);
}

void grad_x(const Tensor& grad, const Tensor& weight, at::IntArrayRef padding, const Tensor& result,
            const Tensor& y_factors, const Tensor& x_factors) {
  correlate(grad, weight, {}, true, 2 - padding[0], 2 - padding[1], y_factors, x_factors, result);
}

// dL/dg = G^T [ sum over tiles of (A dY A^T) . (B^T d B) ] G: 36 matrix products [outs, tiles] x [tiles, ins]. Results'
// channels go in blocks whose sums of terms fit kShared, and within a block tiles go in portions that do: a term's sum
// is added to portion by portion, in one order, and threads share terms and panels, never one sum.
Tensor grad_weight(const Tensor& grad, const Tensor& x, at::IntArrayRef padding, const Tensor& y_factors,
                   const Tensor& x_factors) {
  const int64_t outs = grad.size(1), ins = x.size(1), lanes = kernels()->lanes;
  const Grid grid(grad, y_factors);
  if (grid.tiles() == 0) return at::zeros({outs, ins, 3, 3}, x.options());
  const auto source = picture(x, x.const_data_ptr<float>(), x_factors, padding[0], padding[1]);
  const auto result = picture(grad, grad.const_data_ptr<float>(), y_factors);
  const Tensor weight = at::empty({outs, ins, 3, 3}, x.options());
  const int64_t wide = round_up(ins, panel()) + lanes, block = even(outs, std::max(kShared / (kTerms * wide), lanes));
  const int64_t together = even(grid.tiles(), kShared / (kTerms * std::max(wide, round_up(block, panel()))));
  const Layout sources(together, ins), gradients(together, block);
  const int64_t term = block * wide + lanes;
  const Workspace memory((sources.floats() + gradients.floats() + kTerms * term) * sizeof(float), false);
  float* const seen = memory.as<float>();
  float* const got = seen + sources.floats();
  float* const sums = got + gradients.floats();
  for (int64_t first = 0; first < outs; first += block) {
    const int64_t outs_here = std::min(block, outs - first);
    for (int64_t t = 0; t < grid.tiles(); t += together) {
      const int64_t tiles = std::min(together, grid.tiles() - t);
      if (first == 0 || together < grid.tiles()) {
        grid.all(t, t + tiles, round_up(ins, panel()), kernels()->lanes, [&](const Segment& s, int64_t channel) {
          kernels()->transform_input(source, s, channel, sources.by_panel(seen));
        });
      }
      Terms to = gradients.by_tile(got);
      to.data -= first;
      grid.all(t, t + tiles, outs_here, kernels()->lanes, [&](const Segment& s, int64_t channel) {
        kernels()->transform_gradient(result, s, first + channel, to);
      });
      const int64_t panels = divide_up(ins, panel());
      parallel_for(0, kTerms * panels, 1, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
          const int64_t i = k / panels, p = k % panels;
          kernels()->multiply({got + i * gradients.term, 1, gradients.pitch,
                               seen + i * sources.term + p * sources.tiles * panel(), sums + i * term + p * panel(),
                               wide, outs_here, tiles, t > 0});
        }
      });
    }
    float* to = weight.mutable_data_ptr<float>() + first * ins * 9;
    parallel_for(0, outs_here, 1 + kGrain / (kTerms * ins), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        kernels()->inverse_transform_filter(sums + r * wide, term, ins, to + r * ins * 9);
      }
    });
  }
  return weight;
}

}  // namespace inpaintx::winograd
