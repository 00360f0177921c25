// A solve on raw pointers: arrays are borrowed, the boundary is read, cycles run, the blend is written. Channels go in
// groups whose rows in flight fit a core's cache. Order within a group: all rows of the boundary, all cycles
// (cycles.h), all rows of the result. A mask without a hole gives the image, one without a known pixel the fill.
#include "poisson/cpu/solver.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/parallel.h"
#include "poisson/cpu/blocks.h"
#include "poisson/cpu/cycles.h"
#include "poisson/cpu/range.h"

namespace inpaintx::poisson {
namespace {

// Channels are solved together, as many as let the rows in flight stay in a core's cache.
constexpr int64_t kRowValues = 3 << 12;
int channels_at_once(int64_t width) { return int(std::clamp<int64_t>(kRowValues / width, 1, 4)); }

template <class F>
// row(y) for all rows; each costs about `cost` nanoseconds a pixel.
void over_rows(int64_t h, int64_t w, double cost, const F& row) {
  parallel_for(0, h, rows_per_task(w, cost), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) row(y);
  });
}

template <class T>
void copy_planes(Planes<const T> from, Planes<T> to, int channels, int64_t h, int64_t w) {
  for (int c = 0; c < channels; ++c) {
    over_rows(h, w, 1, [&](int64_t y) { std::memcpy(to.at(c, y), from.at(c, y), w * sizeof(T)); });
  }
}

template <class T>
void clear_planes(Planes<T> to, int channels, int64_t h, int64_t w) {
  for (int c = 0; c < channels; ++c) {
    over_rows(h, w, 1, [&](int64_t y) { std::fill_n(to.at(c, y), w, T(0)); });
  }
}

}  // namespace

Solver::Solver(const uint8_t* mask, int64_t height, int64_t width) : hierarchy_(mask, height, width) {}
Solver::~Solver() = default;

size_t Solver::bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return hierarchy_.bytes() + (single_ ? single_->bytes() : 0) + (double_ ? double_->bytes() : 0);
}

template <class T>
// The arrays that the latest solve has given back, if they have as many channels; else new ones. Their contents do not
// matter: what a solve reads it has written, but for the zeros of known pixels, which nothing overwrites.
std::unique_ptr<Solver::Arrays<T>> Solver::borrow(int channels) const {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::unique_ptr<Arrays<T>>* kept;
    if constexpr (sizeof(T) == 4)
      kept = &single_;
    else
      kept = &double_;
    if (*kept && (*kept)->channels == channels) return std::move(*kept);
  }
  return std::make_unique<Arrays<T>>(hierarchy_, channels);
}

template <class T>
void Solver::give_back(std::unique_ptr<Arrays<T>> arrays) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if constexpr (sizeof(T) == 4)
    single_ = std::move(arrays);
  else
    double_ = std::move(arrays);
}

template <class T>
SolveInfo Solver::solve(Arrays<T>& arrays, bool with_rhs, const Parameters& p) const {
  Cycles<T> cycles(*this, arrays, with_rhs, p);
  while (cycles.next()) {
  }
  return cycles.finish();
}

template <class T>
SolveInfo Solver::blend(Planes<const T> fill, Planes<const T> image, Planes<T> result, int channels,
                        const Parameters& p) const {
  SolveInfo total;
  if (hierarchy_.empty || hierarchy_.singular) {
    copy_planes(hierarchy_.empty ? image : fill, result, channels, height(), width());
    return total;
  }
  const Level& level = hierarchy_.levels[0];
  const int64_t x0 = hierarchy_.x0, y0 = hierarchy_.y0;
  const int at_once = channels_at_once(level.w);
  for (int first = 0; first < channels; first += at_once) {
    const int count = std::min(at_once, channels - first);
    auto arrays = borrow<T>(count);
    const HalfRows<T>& v = arrays->v;
    const Planes<const T> of_fill{fill.at(first, y0) + x0, fill.channel, fill.row};
    const Planes<const T> of_image{image.at(first, y0) + x0, image.channel, image.row};
    over_rows(level.h, level.w, 4, [&](int64_t y) {
      prefetch_boundary(level, y + kAhead, count, of_fill, of_image);
      boundary(level, y, v, of_fill, of_image);
      for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
        const Span& span = level.spans[s];
        if (!span.uniform()) continue;
        for (int half = 0; half < 2 * count; ++half) {
          T* row = v.at(y, half / 2, half % 2);
          std::fill(row + span.x0 / 2, row + span.x1 / 2, T(0));
        }
      }
      for (int c = 0; c < count; ++c) mirror_ends(v.at(y, c, 0), v.half, level.w);
    });

    const SolveInfo outcome = solve(*arrays, false, p);
    total.cycles = std::max(total.cycles, outcome.cycles);
    total.residual = std::max(outcome.residual, total.residual);

    // A channel after the other: the hardware prefetcher follows three streams, not nine.
    parallel_for(0, count * height(), rows_per_task(width(), 1), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int c = int(i / height());
        const int64_t y = i % height(), row = y - y0;
        const T *from_fill = fill.at(first + c, y), *from_image = image.at(first + c, y);
        T* out = result.at(first + c, y);
        int64_t done = 0;
        const bool inside = row >= 0 && row < level.h;
        for (int64_t s = inside ? level.first[row] : 0; inside && s < level.first[row + 1]; ++s) {
          const Span& span = level.spans[s];
          const int64_t x = x0 + span.x0, n = std::min<int>(level.w, span.x1) - span.x0;
          std::memcpy(out + done, from_image + done, (x - done) * sizeof(T));
          const T* even = v.at(row, c, 0) + span.x0 / 2;
          const uint8_t* m = span.uniform() ? nullptr : level.mask_row(row) + span.x0;
          compose(out + x, from_fill + x, from_image + x, even, even + v.half, m, n);
          done = x + n;
        }
        std::memcpy(out + done, from_image + done, (width() - done) * sizeof(T));
      }
    });
    give_back(std::move(arrays));
  }
  return total;
}

// With the solution l of A l = grad on the hole, a known pixel's image gains, and its fill loses, the sum of l over its
// hole neighbors; on the hole fill's gradient A l is grad itself, for the blend moves with the fill there.
template <class T>
SolveInfo Solver::adjoint(Planes<const T> grad, Planes<T> fill, Planes<T> image, int channels,
                          const Parameters& p) const {
  SolveInfo total;
  if (hierarchy_.empty || hierarchy_.singular) {
    copy_planes(grad, hierarchy_.empty ? image : fill, channels, height(), width());
    clear_planes(hierarchy_.empty ? fill : image, channels, height(), width());
    return total;
  }
  const Level& level = hierarchy_.levels[0];
  const int64_t x0 = hierarchy_.x0, y0 = hierarchy_.y0;
  const int at_once = channels_at_once(level.w);
  copy_planes(grad, image, channels, height(), width());
  clear_planes(fill, channels, height(), width());
  for (int first = 0; first < channels; first += at_once) {
    const int count = std::min(at_once, channels - first);
    auto arrays = borrow<T>(count);
    arrays->need_rhs(level);
    const HalfRows<T>& v = arrays->v;
    const auto over_spans = [&](const auto& pixel) {
      over_rows(level.h, level.w, 1, [&](int64_t y) {
        for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
          const Span& span = level.spans[s];
          for (int c = 0; c < count; ++c) {
            for (int x = span.x0; x < std::min<int>(level.w, span.x1); ++x) pixel(y, x, c);
          }
        }
      });
    };
    over_spans([&](int64_t y, int x, int c) {
      v.pixel(y, c, x) = 0;
      arrays->rhs.pixel(y, c, x) = level.mask_row(y)[x] ? grad.at(first + c, y0 + y)[x0 + x] : T(0);
    });
    for (int y = 0; y < level.h; ++y) {
      for (int c = 0; c < count; ++c) v.pixel(y, c, -1) = v.pixel(y, c, level.w) = 0;
    }

    const SolveInfo outcome = solve(*arrays, true, p);
    total.cycles = std::max(total.cycles, outcome.cycles);
    total.residual = std::max(outcome.residual, total.residual);

    over_spans([&](int64_t y, int x, int c) {
      T& to_fill = fill.at(first + c, y0 + y)[x0 + x];
      T& to_image = image.at(first + c, y0 + y)[x0 + x];
      if (level.mask_row(y)[x]) {
        to_fill = grad.at(first + c, y0 + y)[x0 + x];
        to_image = 0;
        return;
      }
      const auto hole = [&](int64_t ny, int nx) {
        return ny >= 0 && ny < level.h && nx >= 0 && nx < level.w && level.mask_row(ny)[nx] ? v.pixel(ny, c, nx) : T(0);
      };
      const T sum = (hole(y - 1, x) + hole(y + 1, x)) + (hole(y, x - 1) + hole(y, x + 1));
      to_fill = -sum;
      to_image += sum;
    });
    give_back(std::move(arrays));
  }
  return total;
}

#define INSTANTIATE(T)                                                                                         \
  template SolveInfo Solver::blend(Planes<const T>, Planes<const T>, Planes<T>, int, const Parameters&) const; \
  template SolveInfo Solver::adjoint(Planes<const T>, Planes<T>, Planes<T>, int, const Parameters&) const;
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace inpaintx::poisson
