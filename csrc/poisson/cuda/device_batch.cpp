// The batch's memory, and the order of launches of a solve. Work memory is two tensors of torch's caching allocator,
// freed when the last launch is queued: the allocator hands it on in stream order.
#include "poisson/cuda/device_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

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

// Coarse pixels of a mask, at most: a level has no more than (h / 2^n + 1) (w / 2^n + 1).
int64_t coarse_pixels(int64_t h, int64_t w) { return h * w / 3 + h + w + device::kMostLevels; }

// Bytes of a mask's bits, stencils and kinds.
int64_t hierarchy_bytes(int64_t h, int64_t w, at::ScalarType dtype) {
  const auto size = static_cast<int64_t>(c10::elementSize(dtype));
  return 4 * h * ((w + 31) / 32) + coarse_pixels(h, w) * (device::kStored * size + 1);
}

// The levels of a batch of masks, [M,1,H,W], in its hierarchy: all stencils, all bits, all kinds.
template <typename T>
Grid<T> levels_of(at::IntArrayRef shape, const Tensor& hierarchy) {
  Grid<T> g{};
  g.masks = shape[0];
  g.stream = current_stream(hierarchy);
  auto* stencil = static_cast<T*>(hierarchy.data_ptr());
  g.hole = reinterpret_cast<uint32_t*>(stencil + g.masks * device::kStored * coarse_pixels(shape[2], shape[3]));
  auto* kind = reinterpret_cast<uint8_t*>(g.hole + g.masks * shape[2] * ((shape[3] + 31) / 32));
  // The interior's stencil is that of second differences in one direction times that of means in the other, and the
  // same with directions exchanged; each is coarsened by itself, as (1/2, 1, 1/2) interpolates.
  T difference[2] = {2, -1}, mean[2] = {1, 0};
  const auto coarsen = [](T(&s)[2]) {
    const T center = s[0], side = s[1];
    s[0] = T(1.5) * center + T(2) * side;
    s[1] = T(0.25) * center + side;
  };
  int h = static_cast<int>(shape[2]), w = static_cast<int>(shape[3]);
  for (; g.count < device::kMostLevels; h = (h + 1) / 2, w = (w + 1) / 2) {
    device::Level<T>& l = g.levels[g.count++];
    l = {h,
         w,
         kind,
         nullptr,
         2 * difference[0] * mean[0],
         difference[0] * mean[1] + difference[1] * mean[0],
         2 * difference[1] * mean[1]};
    if (g.count > 1) {
      l.kind = kind;
      l.stencil = stencil;
      kind += g.masks * l.pixels();
      stencil += g.masks * device::kStored * l.pixels();
    }
    if (h == 1 && w == 1 && g.count > 1) break;  // the finest has a coarser one in any case
    coarsen(difference);
    coarsen(mean);
  }
  return g;
}

// The fields of every level and the scalars of a solve, in two tensors that the caller keeps as long as the grid.
template <typename T>
std::array<Tensor, 2> place_fields(Grid<T>& g, int64_t planes, int64_t channels, bool adjoint,
                                   const Tensor& hierarchy) {
  g.planes = planes;
  g.channels = channels;
  const int64_t finest = planes * g.levels[0].pixels();
  int64_t coarse = 0;
  for (int n = 1; n < g.count; ++n) coarse += planes * g.levels[n].pixels();
  const Tensor fields = at::empty({(adjoint ? 5 : 4) * finest + 2 * coarse},
                                  hierarchy.options().dtype(c10::CppTypeToScalarType<T>::value));
  T* at = fields.mutable_data_ptr<T>();
  const auto place = [&](T*& field, int64_t size) {
    field = at;
    at += size;
  };
  for (T** field : {&g.solution[0], &g.solution[1], &g.solution[2], &g.preconditioned}) {
    place(*field, finest);
  }
  if (adjoint) place(g.rhs, finest);
  for (int n = 1; n < g.count; ++n) {
    for (T** field : {&g.levels[n].v, &g.levels[n].b}) place(*field, planes * g.levels[n].pixels());
  }
  constexpr auto doubles = [](size_t bytes) { return static_cast<int64_t>(bytes / sizeof(double)); };
  constexpr int64_t kProgress = doubles(sizeof(device::Progress)), kSums = doubles(sizeof(device::Sums));
  const Tensor scalars =
      at::empty({planes * (kProgress + 1 + kSums * g.parts())}, hierarchy.options().dtype(at::kDouble));
  scalars.narrow(0, 0, planes * (kProgress + 1)).zero_();
  auto* scalar = scalars.mutable_data_ptr<double>();
  g.progress = reinterpret_cast<device::Progress*>(scalar);
  g.largest = reinterpret_cast<unsigned long long*>(scalar + planes * kProgress);
  g.partial = reinterpret_cast<device::Sums*>(scalar + planes * (kProgress + 1));
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

Tensor make_hierarchy(const Tensor& hole, at::ScalarType dtype) {
  const int64_t h = hole.size(2), w = hole.size(3);
  TORCH_CHECK_VALUE(h * w <= std::numeric_limits<int>::max(),
                    "poisson_blend: images on CUDA must have less than 2^31 pixels, got ", hole.sizes());
  Tensor hierarchy = at::empty({hole.size(0) * hierarchy_bytes(h, w, dtype)}, hole.options().dtype(at::kByte));
  if (hole.numel() == 0) return hierarchy;
  const Tensor plain = hole.contiguous();
  with_type(dtype, [&](auto type) {
    device::prepare(levels_of<decltype(type)>(hole.sizes(), hierarchy), plain.const_data_ptr<bool>());
  });
  return hierarchy;
}

DeviceBatch::DeviceBatch(Tensor hierarchy, at::IntArrayRef masks)
    : shape_(masks.vec()), hierarchy_(std::move(hierarchy)) {
  const auto bytes = [&](at::ScalarType dtype) { return masks[0] * hierarchy_bytes(masks[2], masks[3], dtype); };
  TORCH_CHECK_VALUE(hierarchy_.scalar_type() == at::kByte && hierarchy_.is_contiguous() &&
                        (hierarchy_.numel() == bytes(at::kFloat) || hierarchy_.numel() == bytes(at::kDouble)),
                    "poisson_blend: hierarchy must be what poisson_hierarchy gave for masks ", masks, ", got ",
                    hierarchy_.scalar_type(), " of shape ", hierarchy_.sizes());
  dtype_ = hierarchy_.numel() == bytes(at::kDouble) ? at::kDouble : at::kFloat;
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
    Grid<T> g = levels_of<T>(shape_, hierarchy_);
    const auto work = place_fields(g, i.size(0) * i.size(1), i.size(1), false, hierarchy_);
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
  if (g_out.numel() == 0) return {at::empty_like(grad), at::empty_like(grad)};
  with_types(dtype_, type, [&](auto computed, auto scalar) {
    using T = decltype(computed);
    using scalar_t = decltype(scalar);
    Grid<T> g = levels_of<T>(shape_, hierarchy_);
    const auto work = place_fields(g, g_out.size(0) * g_out.size(1), g_out.size(1), true, hierarchy_);
    device::start_adjoint(g, g_out.const_data_ptr<scalar_t>());
    device::solve(g, static_cast<int>(cycles(p)), reachable(p.tol, dtype_));
    device::scatter_boundary(g, g_out.const_data_ptr<scalar_t>(), fill.mutable_data_ptr<scalar_t>(),
                             image.mutable_data_ptr<scalar_t>());
  });
  return {fill.to(grad.scalar_type()), image.to(grad.scalar_type())};
}

}  // namespace inpaintx::poisson
#endif
