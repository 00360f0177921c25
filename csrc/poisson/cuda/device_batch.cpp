// The batch's memory, and the order of launches of a solve. Work memory is two tensors of torch's caching allocator,
// freed when the last launch is queued: the allocator hands it on in stream order.
#include "poisson/cuda/device_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "common/torch_cuda.h"
#include "poisson/cuda/device.h"

#ifdef INPAINTX_WITH_CUDA
namespace inpaintx::poisson {
namespace {

using at::Tensor;
using device::Grid;

// Steps that bring the largest error below 2 tol of the range of the data where they fall slowest, measured over masks
// of every kind and sizes up to 600 x 600 (tests/ops/test_poisson_tolerance.py). Where much is known half of these
// suffice, and the device leaves the rest out.
constexpr double kFirstSteps = 2, kStepsPerDigit = 1.2;

// Sizes of the levels; arrays are laid out by `place`.
template <typename T>
Grid<T> levels_of(const Tensor& hole, int64_t planes, int64_t channels) {
  Grid<T> g{};
  g.planes = planes;
  g.masks = hole.size(0);
  g.channels = channels;
  g.stream = current_stream(hole);
  TORCH_CHECK_VALUE(hole.size(2) * hole.size(3) <= std::numeric_limits<int>::max(),
                    "poisson_blend: images on CUDA must have less than 2^31 pixels, got ", hole.sizes());
  int h = static_cast<int>(hole.size(2)), w = static_cast<int>(hole.size(3));
  for (g.count = 0; g.count < device::kMostLevels; h = (h + 1) / 2, w = (w + 1) / 2) {
    g.levels[g.count++] = {h, w, nullptr, nullptr, nullptr};
    if (h == 1 && w == 1 && g.count > 1) break;  // the finest has a coarser one in any case
  }
  g.hole = hole.const_data_ptr<bool>();
  return g;
}

template <typename T>
void place_stencils(Grid<T>& g, T* at) {
  for (int n = 1; n < g.count; ++n) {
    g.levels[n].stencil = at;
    at += device::kStored * g.masks * g.levels[n].pixels();
  }
}

// Pixels of all grids but the finest.
template <typename T>
int64_t coarse_pixels(const Grid<T>& g) {
  int64_t sum = 0;
  for (int n = 1; n < g.count; ++n) sum += g.levels[n].pixels();
  return sum;
}

// The fields of every level and the scalars of a solve, in two tensors that the caller keeps as long as the grid.
template <typename T>
std::array<Tensor, 2> place_fields(Grid<T>& g, const Tensor& hole) {
  const int64_t finest = g.planes * g.levels[0].pixels();
  const Tensor fields = at::empty({6 * finest + 2 * g.planes * coarse_pixels(g)},
                                  hole.options().dtype(c10::CppTypeToScalarType<T>::value));
  T* at = fields.mutable_data_ptr<T>();
  for (T** field : {&g.residual[0], &g.residual[1], &g.direction[0], &g.direction[1], &g.preconditioned, &g.solution}) {
    *field = at;
    at += finest;
  }
  for (int n = 1; n < g.count; ++n) {
    for (T** field : {&g.levels[n].v, &g.levels[n].b}) {
      *field = at;
      at += g.planes * g.levels[n].pixels();
    }
  }
  static_assert(sizeof(device::Progress) % sizeof(double) == 0);
  constexpr int64_t kProgress = sizeof(device::Progress) / sizeof(double);
  const Tensor scalars = at::empty({g.planes * (kProgress + 1 + 2 * g.parts())}, hole.options().dtype(at::kDouble));
  scalars.narrow(0, 0, g.planes * (kProgress + 1)).zero_();
  auto* scalar = scalars.mutable_data_ptr<double>();
  g.progress = reinterpret_cast<device::Progress*>(scalar);
  g.largest = reinterpret_cast<unsigned long long*>(scalar + g.planes * kProgress);
  g.partial = scalar + g.planes * (kProgress + 1);
  return {fields, scalars};
}

template <typename F>
// f(float{}) or f(double{}), by the dtype that is computed in.
auto with_type(at::ScalarType dtype, const F& f) {
  return dtype == at::kDouble ? f(double{}) : f(float{});
}

// f(T{}, scalar_t{}): what is computed in, and what images are read and written as: themselves, where they are half
// types, else the former.
template <typename F>
void with_types(at::ScalarType dtype, at::ScalarType images, const F& f) {
  if (images == at::kHalf) return f(float{}, c10::Half{});
  if (images == at::kBFloat16) return f(float{}, c10::BFloat16{});
  dtype == at::kDouble ? f(double{}, double{}) : f(float{}, float{});
}

double reachable(double tol, at::ScalarType dtype) { return std::max(tol, dtype == at::kDouble ? 1e-14 : 1e-7); }

}  // namespace

DeviceBatch::DeviceBatch(const Tensor& hole, at::ScalarType dtype) : dtype_(dtype), hole_(hole.contiguous()) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    Grid<T> g = levels_of<T>(hole_, hole_.size(0), 1);
    stencils_ = at::empty({device::kStored * g.masks * coarse_pixels(g)}, hole_.options().dtype(dtype));
    place_stencils(g, stencils_.mutable_data_ptr<T>());
    if (hole_.numel() > 0) device::prepare(g);
    return 0;
  });
}

// How many steps at most, from tol and max_iter alone. A tol below what the dtype can reach counts as that.
int64_t DeviceBatch::cycles(const Parameters& p) const {
  const double tol = reachable(p.tol, dtype_);
  if (tol >= 1) return 0;
  const auto enough = static_cast<int64_t>(std::ceil(kFirstSteps - kStepsPerDigit * std::log10(tol)));
  return std::min<int64_t>(enough, p.max_cycles);
}

Tensor DeviceBatch::blend(const Tensor& fill, const Tensor& image, const Parameters& p) const {
  const bool as_they_are = dtype_ == at::kFloat && fill.scalar_type() == image.scalar_type();
  const auto type = as_they_are ? image.scalar_type() : dtype_;
  const Tensor t = fill.to(type).contiguous(), i = image.to(type).contiguous();
  Tensor out = at::empty_like(i);
  if (out.numel() == 0) return out.to(image.scalar_type());
  with_types(dtype_, type, [&](auto computed, auto scalar) {
    using T = decltype(computed);
    using scalar_t = decltype(scalar);
    Grid<T> g = levels_of<T>(hole_, i.size(0) * i.size(1), i.size(1));
    place_stencils(g, static_cast<T*>(stencils_.data_ptr()));
    const auto work = place_fields(g, hole_);
    const auto *from = t.const_data_ptr<scalar_t>(), *into = i.const_data_ptr<scalar_t>();
    device::gather_boundary(g, from, into);
    device::solve(g, static_cast<int>(cycles(p)), reachable(p.tol, dtype_));
    device::compose(g, from, into, out.mutable_data_ptr<scalar_t>());
  });
  return out.to(image.scalar_type());
}

std::tuple<Tensor, Tensor> DeviceBatch::adjoint(const Tensor& grad, const Parameters& p) const {
  const auto type = dtype_ == at::kFloat ? grad.scalar_type() : dtype_;
  const Tensor g_out = grad.to(type).contiguous();
  Tensor fill = at::empty_like(g_out), image = at::empty_like(g_out);
  if (g_out.numel() == 0) return {fill, image};
  with_types(dtype_, type, [&](auto computed, auto scalar) {
    using T = decltype(computed);
    using scalar_t = decltype(scalar);
    Grid<T> g = levels_of<T>(hole_, g_out.size(0) * g_out.size(1), g_out.size(1));
    place_stencils(g, static_cast<T*>(stencils_.data_ptr()));
    const auto work = place_fields(g, hole_);
    device::start_adjoint(g, g_out.const_data_ptr<scalar_t>());
    device::solve(g, static_cast<int>(cycles(p)), reachable(p.tol, dtype_));
    device::scatter_boundary(g, g_out.const_data_ptr<scalar_t>(), fill.mutable_data_ptr<scalar_t>(),
                             image.mutable_data_ptr<scalar_t>());
  });
  return {fill, image};
}

}  // namespace inpaintx::poisson
#endif
