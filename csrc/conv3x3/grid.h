// Winograd's convolution: the tiles of an image, and how threads share them.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/parallel.h"
#include "conv3x3/image_view.h"

namespace inpaintx::winograd {

constexpr int64_t kGrain = 1 << 13;  // values below which a second thread costs more than it saves

inline int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

// The tiles of results that are worked on: all, or those with a factor that is not 0.
class Grid {
 public:
  Grid(const at::Tensor& y, const at::Tensor& factors) {
    const int64_t height = y.size(2), width = y.size(3), across = divide_up(width, kTile);
    const float* f = factors.defined() ? factors.const_data_ptr<float>() : nullptr;
    for (int64_t image = 0; image < y.size(0); ++image) {
      for (int64_t row = 0; row * kTile < height; ++row) {
        for (int64_t x = 0, end; x < across; x = end) {
          const auto any = [&](int64_t tile) {
            for (int64_t v = row * kTile; f && v < std::min((row + 1) * kTile, height); ++v) {
              const float *from = f + v * width + tile * kTile,
                          *to = f + v * width + std::min((tile + 1) * kTile, width);
              if (std::any_of(from, to, [](float factor) { return factor > 0.0f; })) return true;
            }
            return f == nullptr;
          };
          const bool wanted = any(x);
          for (end = x + 1; end < across && any(end) == wanted;) ++end;
          (wanted ? runs_ : left_out_).push_back({image, row, x, end - x, tiles_});
          if (wanted) tiles_ += end - x;
        }
      }
      if (f && factors.size(0) > 1) f += height * width;
    }
  }
  int64_t tiles() const { return tiles_; }
  const std::vector<Segment>& left_out() const { return left_out_; }

  // f(segment) for those of the tiles [begin, end); the first that is worked on is `first`
  template <typename F>
  void each(int64_t first, int64_t begin, int64_t end, const F& f) const {
    const auto after = [](int64_t t, const Segment& run) { return t < run.first; };
    auto run = std::upper_bound(runs_.begin(), runs_.end(), begin, after) - 1;
    for (int64_t t = begin; t < end;) {
      if (t == run->first + run->count) ++run;
      const int64_t count = std::min({kSegment, run->first + run->count - t, end - t});
      f(Segment{run->image, run->y, run->x + t - run->first, count, t - first});
      t += count;
    }
  }
  // f(segment, channel) for them and each `lanes` channels, by all threads
  template <typename F>
  void all(int64_t begin, int64_t end, int64_t channels, int64_t lanes, const F& f) const {
    constexpr int64_t kPart = 64;  // tiles
    const int64_t parts = divide_up(end - begin, kPart);
    const int64_t grain = 1 + kGrain / (kTerms * lanes * std::min(kPart, end - begin));
    parallel_for(0, divide_up(channels, lanes) * parts, grain, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const int64_t t = begin + i % parts * kPart;
        each(begin, t, std::min(t + kPart, end), [&](const Segment& s) { f(s, i / parts * lanes); });
      }
    });
  }

 private:
  std::vector<Segment> runs_, left_out_;
  int64_t tiles_ = 0;
};

}  // namespace inpaintx::winograd
