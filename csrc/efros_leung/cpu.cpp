// Efros and Leung's synthesis on the CPU. A hole pixel compares its window with each candidate's, over the known part
// and with Gaussian weights:
//
//   d = sum w (source - target)^2 / (sum w * channels),   drawn among the candidates with d <= 1.1 min d.
//
// Almost all time goes into d. So neighbouring candidates are a block whose sums stay in registers, term by term of the
// target's window; a block is given up as soon as none of its sums can come near the least, for sums only grow. Where
// the hole is scattered so densely that hardly a window is wholly known, unknown pixels are interpolated first and
// compared like known ones.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "common/random.h"
#include "efros_leung/kernels.h"
#include "efros_leung/math.h"
#include "efros_leung/windows.h"
#include "poisson/cpu/solver.h"

namespace inpaintx::efros_leung::cpu {
namespace {

// Four registers of 64 bytes hold the distances of a block of neighbouring centers; gcc splits them where registers are
// smaller. Written with vector types, for the loop over terms must keep the sums in registers.
template <typename acc_t>
struct Lanes {
  typedef acc_t type __attribute__((vector_size(64)));
  static constexpr int64_t count = 64 / sizeof(acc_t), block = 4 * count;
};

constexpr int64_t kCheck = 24;  // terms between two looks at whether a block can still matter

// One known value of the target's window: where the candidates have theirs, relative to the center.
template <typename acc_t>
struct Term {
  int64_t offset;
  acc_t value, weight;
};

// distance[i] = sum over terms of weight * (source[i + offset] - value)^2 for a whole block. Sums only grow: false, and
// distances not written, as soon as all are above `limit`.
template <typename acc_t>
INPAINTX_INLINE bool distances(const acc_t* source, const Term<acc_t>* terms, int64_t count, acc_t limit,
                               acc_t* distance) {
  using lanes_t = typename Lanes<acc_t>::type;
  constexpr int64_t n = Lanes<acc_t>::count;
  lanes_t a0{}, a1{}, a2{}, a3{};
  for (int64_t i = 0; i < count;) {
    for (const int64_t stop = count < i + kCheck ? count : i + kCheck; i < stop; ++i) {
      const acc_t *s = source + terms[i].offset, value = terms[i].value, weight = terms[i].weight;
      lanes_t s0, s1, s2, s3;
      std::memcpy(&s0, s, sizeof s0);
      std::memcpy(&s1, s + n, sizeof s1);
      std::memcpy(&s2, s + 2 * n, sizeof s2);
      std::memcpy(&s3, s + 3 * n, sizeof s3);
      s0 -= value, s1 -= value, s2 -= value, s3 -= value;
      a0 += weight * s0 * s0, a1 += weight * s1 * s1, a2 += weight * s2 * s2, a3 += weight * s3 * s3;
    }
    const lanes_t low = a0 < a1 ? a0 : a1, high = a2 < a3 ? a2 : a3, least = low < high ? low : high;
    int64_t within = 0;
    for (int64_t k = 0; k < n; ++k) within += least[k] <= limit;
    if (!within) return false;
  }
  std::memcpy(distance, &a0, sizeof a0);
  std::memcpy(distance + n, &a1, sizeof a1);
  std::memcpy(distance + 2 * n, &a2, sizeof a2);
  std::memcpy(distance + 3 * n, &a3, sizeof a3);
  return true;
}

INPAINTX_CLONES bool block_of(const float* source, const Term<float>* terms, int64_t count, float limit,
                              float* distance) {
  return distances(source, terms, count, limit, distance);
}
INPAINTX_CLONES bool block_of(const double* source, const Term<double>* terms, int64_t count, double limit,
                              double* distance) {
  return distances(source, terms, count, limit, distance);
}

// The hole pixels replaced by their smooth interpolation (harmonic, as poisson_blend gives it).
template <typename acc_t>
void interpolate(const bool* hole, int64_t channels, int64_t height, int64_t width, acc_t* image) {
  const std::vector<acc_t> grey(width, acc_t(0.5));
  const poisson::Planes<const acc_t> from{image, height * width, width};
  const poisson::Planes<acc_t> to{image, height * width, width};
  poisson::Parameters p;
  p.tol = sizeof(acc_t) == 8 ? 1e-12 : 1e-6;
  poisson::Solver(reinterpret_cast<const uint8_t*>(hole), height, width)
      .blend<acc_t>({grey.data(), 0, 0}, from, to, static_cast<int>(channels), p);
}

template <typename acc_t>
// One image's synthesis. Members are set by the constructor and read by all threads; fill_pixel alone writes, to out_,
// from_ and known_ at its own pixel, and reads them at pixels that next_ring puts into other steps: so threads that
// share a step touch nothing in common. A step that mixed a pixel with one in its window would make results depend on
// timing.
class Image {
 public:
  Image(const Synthesis<acc_t>& a, int64_t b)
      : channels_(a.channels),
        height_(a.height),
        width_(a.width),
        window_(a.window),
        seed_(a.seed),
        reach_(a.reach),
        out_(a.out + b * a.channels * a.height * a.width),
        hole_(a.hole + b * a.height * a.width),
        known_(a.height * a.width) {
    const acc_t* image = a.image + b * channels_ * height_ * width_;
    for (int64_t i = 0; i < height_ * width_; ++i) known_[i] = !hole_[i];
    const int64_t pixels = height_ * width_, block = Lanes<acc_t>::block;
    choose_candidates();
    blocks_of(flag_, {0, 0, height_, width_}, width_, block, blocks_);
    if (reach_) counts_ = counted();
    const int64_t r = window_ / 2;
    for (int64_t i = 0; i < window_ * window_; ++i) {
      const int64_t dy = i / window_ - r, dx = i % window_ - r;
      weights_.push_back({dy, dx, weight_of(dy, dx, window_)});
    }
    // heaviest first, so that most blocks are given up soon
    std::stable_sort(weights_.begin(), weights_.end(), [](auto& a, auto& b) { return a.weight > b.weight; });
    source_.assign(image, image + channels_ * pixels);
    source_.resize(channels_ * pixels +
                   block);  // a block's last lanes may reach beyond the image; nobody looks at them
    for (int64_t i = 0; i < channels_ * pixels; ++i) {
      if (hole_[i % pixels]) source_[i] = acc_t(0);
    }
    if (scattered_ && !blocks_.empty()) interpolate(hole_, channels_, height_, width_, source_.data());
    from_.assign(pixels, -1);
  }

  void fill() {
    for (int64_t i = 0; i < channels_ * height_ * width_; ++i) {
      const bool grey = hole_[i % (height_ * width_)] && (!scattered_ || blocks_.empty());
      out_[i] = grey ? acc_t(0.5) : source_[i];
    }
    if (blocks_.empty()) return;  // nothing is known: mid-grey
    double limit = kFirstLimit;
    for (auto steps = next_ring(); !steps.empty(); steps = next_ring()) {
      std::atomic<bool> progress = false;
      for (const std::vector<int64_t>& step : steps) {
        parallel_for(0, static_cast<int64_t>(step.size()), 1, [&](int64_t begin, int64_t end) {
          Scratch s;
          for (int64_t i = begin; i < end; ++i) {
            if (fill_pixel(step[i], limit, s)) progress = true;
          }
        });
      }
      if (!progress) limit *= kLimitGrowth;
      if (!std::isfinite(limit)) return;  // no window's distance is a number: what is left stays mid-grey
    }
  }

 private:
  struct Weight {
    int64_t dy, dx;
    double weight;
  };

  // What a thread works with.
  struct Scratch {
    std::vector<Term<acc_t>> terms;
    std::vector<Block> near;
    std::vector<acc_t> distance, least;
    std::vector<int64_t> chosen;
  };

  // The fully known windows of the largest size, up to the one asked for, of which there are enough for the hole; else,
  // among scattered pixels, every known pixel.
  void choose_candidates() {
    const int64_t widest = std::min(window_, (std::min(height_, width_) - 1) / 2 * 2 + 1);
    const int64_t holes = std::count(hole_, hole_ + height_ * width_, true);
    const auto enough = [&] {
      return std::count(flag_.begin(), flag_.end(), 1) * kScarce >= std::max<int64_t>(holes, 1);
    };
    for (window_ = widest; window_ >= std::min<int64_t>(widest, 3); window_ -= 2) {
      flag_ = candidates_of(hole_, height_, width_, window_);
      if (enough()) return;
    }
    scattered_ = true;
    for (window_ = widest;; window_ -= 2) {
      flag_ = centres_of(hole_, height_, width_, window_);
      if (enough() || window_ <= 1) return;
    }
  }

  // Where the center of a pixel's window may be drawn from: the square of the reach around it, doubled until it has
  // some windows; without a reach, the image.
  Range range_of(int64_t pixel) const {
    const int64_t y = pixel / width_, x = pixel % width_;
    for (int64_t reach = reach_; reach && reach < std::max(height_, width_); reach *= 2) {
      const Range r{std::max<int64_t>(0, y - reach), std::max<int64_t>(0, x - reach), std::min(height_, y + reach + 1),
                    std::min(width_, x + reach + 1)};
      const auto sum = [&](int64_t v, int64_t u) { return counts_[v * (width_ + 1) + u]; };
      if (sum(r.bottom, r.right) - sum(r.top, r.right) - sum(r.bottom, r.left) + sum(r.top, r.left) >= kFew) return r;
    }
    return {0, 0, height_, width_};
  }

  // For each pixel the number of flags above and left of it.
  std::vector<int32_t> counted() const {
    std::vector<int32_t> counts((height_ + 1) * (width_ + 1), 0);
    for (int64_t y = 0; y < height_; ++y) {
      int32_t row = 0;
      for (int64_t x = 0; x < width_; ++x) {
        row += flag_[y * width_ + x];
        counts[(y + 1) * (width_ + 1) + x + 1] = counts[y * (width_ + 1) + x + 1] + row;
      }
    }
    return counts;
  }

  template <typename visit_t>
  void around(int64_t pixel, int64_t r, const visit_t& visit) const {
    const int64_t y = pixel / width_, x = pixel % width_;
    for (int64_t v = std::max<int64_t>(0, y - r); v <= std::min(y + r, height_ - 1); ++v) {
      for (int64_t u = std::max<int64_t>(0, x - r); u <= std::min(x + r, width_ - 1); ++u) {
        visit(v * width_ + u);
      }
    }
  }

  // Unfilled pixels with a filled neighbor, those with most filled pixels in their window first, ties at random. Cut
  // into steps: a pixel's step comes after those of all that precede it in its window and before those of all that
  // follow, so that threads may share a step and the result is that of the serial order.
  std::vector<std::vector<int64_t>> next_ring() const {
    const int64_t r = window_ / 2;
    std::vector<std::tuple<int64_t, uint32_t, int64_t>> found;
    for (int64_t i = 0; i < height_ * width_; ++i) {
      if (known_[i]) continue;
      int64_t near = 0, count = 0;
      around(i, 1, [&](int64_t at) { near += known_[at]; });
      if (!near) continue;
      around(i, r, [&](int64_t at) { count += known_[at]; });
      found.emplace_back(-count, random_bits(seed_, 0, i / width_, i % width_, 0), i);
    }
    std::sort(found.begin(), found.end());
    std::vector<int32_t> step_of(height_ * width_, 0);  // 1 for the first
    std::vector<std::vector<int64_t>> steps;
    for (const auto& f : found) {
      const int64_t pixel = std::get<2>(f);
      int32_t last = 0;
      around(pixel, std::max<int64_t>(r, 1), [&](int64_t at) { last = std::max(last, step_of[at]); });
      step_of[pixel] = last + 1;
      if (last == static_cast<int32_t>(steps.size())) steps.emplace_back();
      steps[last].push_back(pixel);
    }
    return steps;
  }

  // The known part of the window around a pixel, among scattered pixels all of it; returns the sum of its weights.
  double take_terms(int64_t pixel, std::vector<Term<acc_t>>& terms) const {
    const int64_t pixels = height_ * width_, y = pixel / width_, x = pixel % width_;
    terms.clear();
    double total = 0;
    for (const Weight& w : weights_) {
      if (y + w.dy < 0 || x + w.dx < 0 || y + w.dy >= height_ || x + w.dx >= width_) continue;
      const int64_t offset = w.dy * width_ + w.dx;
      if (!known_[pixel + offset] && !scattered_) continue;
      total += w.weight;
      for (int64_t c = 0; c < channels_; ++c) {
        terms.push_back({offset + c * pixels, out_[pixel + offset + c * pixels], static_cast<acc_t>(w.weight)});
      }
    }
    return total;
  }

  // A distance that some candidate has: the least of those that continue what the neighbors were copied from.
  acc_t first_guess(int64_t pixel, const Range& range, const std::vector<Term<acc_t>>& terms) const {
    acc_t least = std::numeric_limits<acc_t>::infinity();
    around(pixel, 1, [&](int64_t at) {
      const int64_t from = from_[at] + pixel - at;
      if (!known_[at] || from_[at] < 0 || from < 0 || from >= height_ * width_ || !flag_[from]) return;
      if (!range.has(from / width_, from % width_)) return;
      acc_t sum = 0;
      for (const auto& t : terms) {
        const acc_t d = source_[from + t.offset] - t.value;
        sum += t.weight * d * d;
      }
      least = std::min(least, sum);
    });
    return least;
  }

  // Fills a pixel if some candidate's distance is below `limit`; returns whether it did. Two passes: all blocks are
  // compared, against a bound that falls as nearer ones are found, then those near the least are listed in raster order
  // and one is drawn. The list does not depend on where the bound fell first, since all that may be drawn lie below its
  // last value.
  bool fill_pixel(int64_t pixel, double limit, Scratch& s) {
    const int64_t pixels = height_ * width_, lanes = Lanes<acc_t>::block;
    const double total = take_terms(pixel, s.terms);
    const Range range = range_of(pixel);
    if (reach_) blocks_of(flag_, range, width_, lanes, s.near);
    const std::vector<Block>& blocks = reach_ ? s.near : blocks_;
    const int64_t terms = static_cast<int64_t>(s.terms.size()), count = static_cast<int64_t>(blocks.size());
    s.distance.resize(count * lanes);
    s.least.resize(count);
    acc_t least = first_guess(pixel, range, s.terms);
    for (int64_t i = 0; i < count; ++i) {
      const Block& b = blocks[i];
      acc_t* distance = s.distance.data() + i * lanes;
      s.least[i] = std::numeric_limits<acc_t>::infinity();
      const acc_t bound = least * acc_t(1.001 * kNearBest);  // the guess is summed in another order: some room
      if (!block_of(source_.data() + b.first, s.terms.data(), terms, bound, distance)) continue;
      for (int64_t k = 0; k < b.count; ++k) {
        if (flag_[b.first + k]) s.least[i] = std::min(s.least[i], distance[k]);
      }
      least = std::min(least, s.least[i]);
    }
    least = *std::min_element(s.least.begin(), s.least.end());
    const double scale = total > 0 ? total * static_cast<double>(channels_) : 1;
    const auto may_be_drawn = [&](acc_t d) {
      return static_cast<double>(d) <= kNearBest * static_cast<double>(least) && static_cast<double>(d) / scale < limit;
    };
    if (!may_be_drawn(least)) return false;
    s.chosen.clear();
    for (int64_t i = 0; i < count; ++i) {
      if (!may_be_drawn(s.least[i])) continue;
      const Block& b = blocks[i];
      for (int64_t k = 0; k < b.count; ++k) {
        const int64_t from = b.first + k;
        if (flag_[from] && may_be_drawn(s.distance[i * lanes + k])) s.chosen.push_back(from);
      }
    }
    const uint32_t bits = random_bits(seed_, 1, pixel / width_, pixel % width_, 0);
    const int64_t from = s.chosen[below(bits, static_cast<int64_t>(s.chosen.size()))];
    for (int64_t c = 0; c < channels_; ++c) out_[pixel + c * pixels] = source_[from + c * pixels];
    from_[pixel] = from;
    known_[pixel] = 1;
    return true;
  }

  int64_t channels_, height_, width_, window_, seed_, reach_;
  bool scattered_ = false;  // what is unknown is interpolated, and compared like what is known
  acc_t* out_;
  const bool* hole_;
  std::vector<uint8_t> known_;  // filled pixels among them
  std::vector<uint8_t> flag_;   // centers of the windows that may be drawn
  std::vector<int64_t> from_;   // where a filled pixel was copied from
  std::vector<Block> blocks_;
  std::vector<int32_t> counts_;  // with a reach: [height + 1, width + 1]
  std::vector<Weight> weights_;
  std::vector<acc_t> source_;
};

}  // namespace

template <typename acc_t>
void synthesize(const Synthesis<acc_t>& a) {
  if (a.batch == 1) return Image<acc_t>(a, 0).fill();  // threads share its rings
  parallel_for(0, a.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) Image<acc_t>(a, b).fill();
  });
}

template void synthesize(const Synthesis<float>&);
template void synthesize(const Synthesis<double>&);

}  // namespace inpaintx::efros_leung::cpu
