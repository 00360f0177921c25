#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>
#include <vector>

#include "common/random.h"
#include "common/simd.h"
#include "efros_leung/kernels.h"
#include "efros_leung/math.h"

namespace inpaintx::efros_leung::cpu {
namespace {

// Four registers of 64 bytes hold the distances of a block of neighbouring centres; gcc splits them where registers are
// smaller. Written with vector types, for the loop over terms must keep the sums in registers.
template <typename acc_t>
struct Lanes {
  typedef acc_t type __attribute__((vector_size(64)));
  static constexpr int64_t count = 64 / sizeof(acc_t), block = 4 * count;
};

constexpr int64_t kCheck = 24;  // terms between two looks at whether a block can still matter

// Neighbouring centres of windows on one row, from one that is fully known.
struct Block {
  int64_t first, count;  // pixel index, and how many belong to this block; of these the flags tell the candidates
};

// One known value of the target's window: where the candidates have theirs, relative to the centre.
template <typename acc_t>
struct Term {
  int64_t offset;
  acc_t value, weight;
};

// distance[i] = sum over terms of weight * (source[i + offset] - value)^2 for a whole block. Sums only grow: false, and
// distances not written, as soon as all are above `limit`.
template <typename acc_t>
inline __attribute__((always_inline)) bool distances(const acc_t* source, const Term<acc_t>* terms, int64_t count,
                                                     acc_t limit, acc_t* distance) {
  using lanes_t = typename Lanes<acc_t>::type;
  constexpr int64_t n = Lanes<acc_t>::count;
  lanes_t a0{}, a1{}, a2{}, a3{};
  for (int64_t i = 0; i < count;) {
    for (const int64_t stop = std::min(count, i + kCheck); i < stop; ++i) {
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

// Flags of the centres of windows that lie inside the image and have no hole pixel.
std::vector<uint8_t> candidates_of(const bool* hole, int64_t height, int64_t width, int64_t window) {
  const int64_t r = window / 2;
  std::vector<uint8_t> flag(height * width, 0);
  std::vector<int64_t> column(width, 0);  // rows up to here without a hole
  for (int64_t y = 0; y < height; ++y) {
    int64_t run = 0;
    for (int64_t x = 0; x < width; ++x) {
      column[x] = hole[y * width + x] ? 0 : column[x] + 1;
      run = column[x] >= window ? run + 1 : 0;
      if (run >= window) flag[(y - r) * width + x - r] = 1;
    }
  }
  return flag;
}

std::vector<Block> blocks_of(const std::vector<uint8_t>& flag, int64_t height, int64_t width, int64_t block) {
  std::vector<Block> blocks;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      if (!flag[y * width + x]) continue;
      blocks.push_back({y * width + x, std::min(block, width - x)});
      x += block - 1;
    }
  }
  return blocks;
}

template <typename acc_t>
class Image {
 public:
  Image(const Synthesis<acc_t>& a, int64_t b)
      : channels_(a.channels), height_(a.height), width_(a.width), window_(a.window), seed_(a.seed),
        out_(a.out + b * a.channels * a.height * a.width),
        hole_(a.hole + b * a.height * a.width), known_(a.height * a.width) {
    const acc_t* image = a.image + b * channels_ * height_ * width_;
    for (int64_t i = 0; i < height_ * width_; ++i) known_[i] = !hole_[i];
    const int64_t pixels = height_ * width_, block = Lanes<acc_t>::block;
    // a smaller window where none of the size asked for is fully known; with 1 every known pixel is a candidate
    window_ = std::min(window_, (std::min(height_, width_) - 1) / 2 * 2 + 1);
    for (;; window_ -= 2) {
      flag_ = candidates_of(hole_, height_, width_, window_);
      blocks_ = blocks_of(flag_, height_, width_, block);
      if (!blocks_.empty() || window_ <= 1) break;
    }
    const int64_t r = window_ / 2;
    for (int64_t i = 0; i < window_ * window_; ++i) {
      const int64_t dy = i / window_ - r, dx = i % window_ - r;
      weights_.push_back({dy, dx, weight_of(dy, dx, window_)});
    }
    // heaviest first, so that most blocks are given up soon
    std::stable_sort(weights_.begin(), weights_.end(), [](auto& a, auto& b) { return a.weight > b.weight; });
    source_.assign(image, image + channels_ * pixels);
    source_.resize(channels_ * pixels + block);  // a block's last lanes may reach beyond the image; nobody looks at them
    for (int64_t i = 0; i < channels_ * pixels; ++i) {
      if (hole_[i % pixels]) source_[i] = acc_t(0);
    }
    from_.assign(pixels, -1);
    distance_.resize(blocks_.size() * block);
    least_.resize(blocks_.size());
  }

  void fill() {
    for (int64_t i = 0; i < channels_ * height_ * width_; ++i) {
      out_[i] = hole_[i % (height_ * width_)] ? acc_t(0.5) : source_[i];
    }
    if (blocks_.empty()) return;  // nothing is known: mid-grey
    double limit = kFirstLimit;
    for (std::vector<int64_t> ring = next_ring(); !ring.empty(); ring = next_ring()) {
      bool progress = false;
      for (const int64_t pixel : ring) progress |= fill_pixel(pixel, limit);
      if (!progress) limit *= kLimitGrowth;
      if (!std::isfinite(limit)) return;  // no window's distance is a number: what is left stays mid-grey
    }
  }

 private:
  template <typename visit_t>
  void around(int64_t pixel, int64_t r, const visit_t& visit) const {
    const int64_t y = pixel / width_, x = pixel % width_;
    for (int64_t v = std::max<int64_t>(0, y - r); v <= std::min(y + r, height_ - 1); ++v) {
      for (int64_t u = std::max<int64_t>(0, x - r); u <= std::min(x + r, width_ - 1); ++u) {
        if (known_[v * width_ + u]) visit(v - y, u - x);
      }
    }
  }

  // Unfilled pixels with a filled neighbour, those with most filled pixels in their window first, ties at random.
  std::vector<int64_t> next_ring() const {
    std::vector<std::tuple<int64_t, uint32_t, int64_t>> found;
    for (int64_t i = 0; i < height_ * width_; ++i) {
      if (known_[i]) continue;
      int64_t near = 0, count = 0;
      around(i, 1, [&](int64_t, int64_t) { ++near; });
      if (!near) continue;
      around(i, window_ / 2, [&](int64_t, int64_t) { ++count; });
      found.emplace_back(-count, random_bits(seed_, 0, i / width_, i % width_, 0), i);
    }
    std::sort(found.begin(), found.end());
    std::vector<int64_t> ring;
    for (const auto& f : found) ring.push_back(std::get<2>(f));
    return ring;
  }

  // The known part of the window around a pixel; returns the sum of its weights.
  double take_terms(int64_t pixel) {
    const int64_t pixels = height_ * width_, y = pixel / width_, x = pixel % width_;
    terms_.clear();
    double total = 0;
    for (const Weight& w : weights_) {
      if (y + w.dy < 0 || x + w.dx < 0 || y + w.dy >= height_ || x + w.dx >= width_) continue;
      const int64_t offset = w.dy * width_ + w.dx;
      if (!known_[pixel + offset]) continue;
      total += w.weight;
      for (int64_t c = 0; c < channels_; ++c) {
        terms_.push_back({offset + c * pixels, out_[pixel + offset + c * pixels], static_cast<acc_t>(w.weight)});
      }
    }
    return total;
  }

  // A distance that some candidate has: the least of those that continue what the neighbours were copied from.
  acc_t first_guess(int64_t pixel) const {
    acc_t least = std::numeric_limits<acc_t>::infinity();
    around(pixel, 1, [&](int64_t dy, int64_t dx) {
      const int64_t shift = dy * width_ + dx, from = from_[pixel + shift] - shift;
      if (from_[pixel + shift] < 0 || from < 0 || from >= height_ * width_ || !flag_[from]) return;
      acc_t sum = 0;
      for (const auto& t : terms_) {
        const acc_t d = source_[from + t.offset] - t.value;
        sum += t.weight * d * d;
      }
      least = std::min(least, sum);
    });
    return least;
  }

  bool fill_pixel(int64_t pixel, double limit) {
    const double total = take_terms(pixel);
    const int64_t pixels = height_ * width_, lanes = Lanes<acc_t>::block;
    const int64_t terms = static_cast<int64_t>(terms_.size()), count = static_cast<int64_t>(blocks_.size());
    const acc_t guess = first_guess(pixel), none = std::numeric_limits<acc_t>::infinity();
    // A block is given up only when none of it can be drawn, and all other distances are computed alike whichever
    // thread does it, so the result does not depend on threads. A grain is worth the start of a thread.
    at::parallel_for(0, count, std::max<int64_t>(1, (1 << 16) / (terms + 8)), [&](int64_t begin, int64_t end) {
      acc_t least = guess;
      for (int64_t i = begin; i < end; ++i) {
        const Block& b = blocks_[i];
        acc_t* distance = distance_.data() + i * lanes;
        least_[i] = none;
        const acc_t bound = least * acc_t(1.001 * kNearBest);  // the guess is summed in another order: some room
        if (!block_of(source_.data() + b.first, terms_.data(), terms, bound, distance)) continue;
        for (int64_t k = 0; k < b.count; ++k) {
          if (flag_[b.first + k]) least_[i] = std::min(least_[i], distance[k]);
        }
        least = std::min(least, least_[i]);
      }
    });
    const acc_t least = *std::min_element(least_.begin(), least_.end());
    const double scale = total > 0 ? total * static_cast<double>(channels_) : 1;
    if (!(static_cast<double>(least) / scale < limit)) return false;
    const double highest = std::min(kNearBest * static_cast<double>(least), limit * scale);
    chosen_.clear();
    for (int64_t i = 0; i < count; ++i) {
      if (!(static_cast<double>(least_[i]) <= highest)) continue;
      for (int64_t k = 0; k < blocks_[i].count; ++k) {
        if (!flag_[blocks_[i].first + k]) continue;
        const double d = static_cast<double>(distance_[i * lanes + k]);
        if (d <= kNearBest * static_cast<double>(least) && d / scale < limit) chosen_.push_back(blocks_[i].first + k);
      }
    }
    const uint32_t bits = random_bits(seed_, 1, pixel / width_, pixel % width_, 0);
    const int64_t from = chosen_[below(bits, static_cast<int64_t>(chosen_.size()))];
    for (int64_t c = 0; c < channels_; ++c) out_[pixel + c * pixels] = source_[from + c * pixels];
    from_[pixel] = from;
    known_[pixel] = 1;
    return true;
  }

  struct Weight {
    int64_t dy, dx;
    double weight;
  };

  int64_t channels_, height_, width_, window_, seed_;
  acc_t* out_;
  const bool* hole_;
  std::vector<uint8_t> known_;  // filled pixels among them
  std::vector<uint8_t> flag_;   // centres of fully known windows
  std::vector<int64_t> from_;   // where a filled pixel was copied from
  std::vector<Block> blocks_;
  std::vector<Weight> weights_;
  std::vector<acc_t> source_, distance_, least_;
  std::vector<Term<acc_t>> terms_;
  std::vector<int64_t> chosen_;
};

}  // namespace

template <typename acc_t>
void run(const Synthesis<acc_t>& a) {
  if (a.batch == 1) return Image<acc_t>(a, 0).fill();  // threads share the candidates
  at::parallel_for(0, a.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) Image<acc_t>(a, b).fill();
  });
}

template void run(const Synthesis<float>&);
template void run(const Synthesis<double>&);

}  // namespace inpaintx::efros_leung::cpu
