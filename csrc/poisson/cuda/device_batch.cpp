// The batch's memory, and the order of launches of a solve. Work memory is two tensors of torch's caching allocator,
// freed when the last launch is queued: the allocator hands it on in stream order.
#include "poisson/cuda/device_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/torch_cuda.h"
#include "poisson/cuda/device.h"

#ifdef INPAINTX_WITH_CUDA
namespace inpaintx::poisson {
namespace {

using at::Tensor;
using device::Grid;

// Steps that bring the largest error below 2 tol of the range of the data, measured over masks of every kind and sizes
// up to 600 x 600 (tests/ops/test_poisson_tolerance.py): 5 for 1e-3, 9 for 1e-6, 12 for 1e-9 at worst. Half of these
// suffice where much is known.
constexpr double kFirstSteps = 2, kStepsPerDigit = 1.2;

// Sizes of the levels; arrays are laid out by `place`.
template <typename T>
Grid<T> levels_of(const Tensor& hole, int64_t planes, int64_t channels) {
  Grid<T> g{};
  g.planes = planes;
  g.masks = hole.size(0);
  g.channels = channels;
  g.stream = current_stream(hole);
  int64_t h = hole.size(2), w = hole.size(3);
  for (g.count = 0; g.count < device::kMostLevels; h = (h + 1) / 2, w = (w + 1) / 2) {
    g.levels[g.count++] = {h, w, nullptr, nullptr, nullptr, nullptr, nullptr};
    if (h == 1 && w == 1) break;
  }
  g.levels[0].hole = hole.const_data_ptr<bool>();
  return g;
}

template <typename T>
void place_stencils(Grid<T>& g, T* at) {
  for (int n = 1; n < g.count; ++n) {
    g.levels[n].stencil = at;
    at += 9 * g.masks * g.levels[n].height * g.levels[n].width;
  }
}

template <typename T>
int64_t pixels(const Grid<T>& g, int first) {
  int64_t sum = 0;
  for (int n = first; n < g.count; ++n) sum += g.levels[n].height * g.levels[n].width;
  return sum;
}

// v, other and b of every level, and what conjugate gradients need, in two tensors that the caller keeps as long as the
// grid.
template <typename T>
std::array<Tensor, 2> place_fields(Grid<T>& g, const at::TensorOptions& options) {
  const int64_t finest = g.planes * g.levels[0].height * g.levels[0].width;
  Tensor work = at::empty({3 * g.planes * pixels(g, 0) + 2 * finest + g.planes}, options);
  Tensor sums = at::empty({g.planes * (3 + device::kMostChunks)}, options.dtype(at::kDouble));
  g.sums = sums.mutable_data_ptr<double>();
  g.partial = g.sums + 3 * g.planes;
  T* at = work.mutable_data_ptr<T>();
  for (int n = 0; n < g.count; ++n) {
    for (T** field : {&g.levels[n].v, &g.levels[n].other, &g.levels[n].b}) {
      *field = at;
      at += g.planes * g.levels[n].height * g.levels[n].width;
    }
  }
  g.solution = at;
  g.direction = g.solution + finest;
  g.scale = g.direction + finest;
  return {work, sums};
}

template <typename F>
// f(float{}) or f(double{}), by the dtype that is computed in.
auto with_type(at::ScalarType dtype, const F& f) {
  return dtype == at::kDouble ? f(double{}) : f(float{});
}

}  // namespace

DeviceBatch::DeviceBatch(const Tensor& hole, at::ScalarType dtype) : dtype_(dtype), hole_(hole.contiguous()) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    Grid<T> g = levels_of<T>(hole_, hole_.size(0), 1);
    stencils_ = at::empty({9 * g.masks * pixels(g, 1)}, hole_.options().dtype(dtype));
    place_stencils(g, stencils_.mutable_data_ptr<T>());
    if (hole_.numel() > 0) device::prepare(g);
    return 0;
  });
}

// How many steps, from tol and max_iter alone. A tol below what the dtype can reach counts as that.
int64_t DeviceBatch::cycles(const Parameters& p) const {
  const double tol = std::max(p.tol, dtype_ == at::kDouble ? 1e-14 : 1e-7);
  if (tol >= 1) return 0;
  const auto enough = static_cast<int64_t>(std::ceil(kFirstSteps - kStepsPerDigit * std::log10(tol)));
  return std::min<int64_t>(enough, p.max_cycles);
}

Tensor DeviceBatch::blend(const Tensor& fill, const Tensor& image, const Parameters& p) const {
  const Tensor t = fill.to(dtype_).contiguous(), i = image.to(dtype_).contiguous();
  Tensor out = at::empty_like(i);
  if (out.numel() == 0) return out.to(image.scalar_type());
  with_type(dtype_, [&](auto type) {
    using T = decltype(type);
    Grid<T> g = levels_of<T>(hole_, i.size(0) * i.size(1), i.size(1));
    place_stencils(g, static_cast<T*>(stencils_.data_ptr()));
    const auto work = place_fields(g, i.options());
    device::gather_boundary(g, t.const_data_ptr<T>(), i.const_data_ptr<T>());
    device::solve(g, cycles(p));
    device::compose(g, t.const_data_ptr<T>(), i.const_data_ptr<T>(), out.mutable_data_ptr<T>());
    return 0;
  });
  return out.to(image.scalar_type());
}

std::tuple<Tensor, Tensor> DeviceBatch::adjoint(const Tensor& grad, const Parameters& p) const {
  const Tensor g_out = grad.to(dtype_).contiguous();
  Tensor fill = at::empty_like(g_out), image = at::empty_like(g_out);
  if (g_out.numel() > 0) {
    with_type(dtype_, [&](auto type) {
      using T = decltype(type);
      Grid<T> g = levels_of<T>(hole_, g_out.size(0) * g_out.size(1), g_out.size(1));
      place_stencils(g, static_cast<T*>(stencils_.data_ptr()));
      const auto work = place_fields(g, g_out.options());
      device::start_adjoint(g, g_out.const_data_ptr<T>());
      device::solve(g, cycles(p));
      device::scatter_boundary(g, g_out.const_data_ptr<T>(), fill.mutable_data_ptr<T>(), image.mutable_data_ptr<T>());
      return 0;
    });
  }
  return {fill.to(grad.scalar_type()), image.to(grad.scalar_type())};
}

}  // namespace inpaintx::poisson
#endif
