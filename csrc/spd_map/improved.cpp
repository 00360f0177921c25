// The improved map on the CPU: n box means, each from the map before. A box is summed down its columns, then along the
// row; two rows of results share all but the outermost of the rows that they sum. Every step sums anew instead of
// moving a window along, which would be fewer additions but carries rounding from pixel to pixel, and the map's zeros
// must stay zeros. Of many images each is one unit of work and takes several steps on a few rows while they are in
// cache; the rows of few images are shared by the threads, a step at a time.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "spd_map/kernels.h"
#include "spd_map/math.h"

namespace inpaintx::spd_map::cpu {
namespace {

constexpr int64_t kWhole = 16;  // floats of the widest vector

// Plane of the improved map, with r zeros beyond each edge: outside the image counts as 0. A row's zeros serve its
// neighbor, too; rows start where vectors are aligned.
class Plane {
 public:
  Plane(int64_t height, int64_t width, int64_t r)
      : stride((width + r + kWhole - 1) / kWhole * kWhole), r_(r), data_((height + 2 * r + 1) * stride + kWhole) {
    void* start = data_.data() + r;
    size_t room = data_.size() * sizeof(float);
    origin_ = static_cast<float*>(std::align(kWhole * sizeof(float), 1, start, room));
  }
  float* operator[](int64_t row) { return origin_ + (row + r_) * stride; }
  const int64_t stride;

 private:
  int64_t r_;
  std::vector<float> data_;
  float* origin_;
};

// row[x] = 0 where hidden, else 1, in both planes. Returns the columns between which pixels are hidden, in whole
// vectors: at the ends a known pixel or two more costs less than a remainder.
template <typename mask_t>
INPAINTX_INLINE std::pair<int64_t, int64_t> known_row_of(const mask_t* mask, int64_t width, float* row, float* other) {
  std::pair<int64_t, int64_t> span{width, 0};
  for (int64_t block = 0; block < width; block += kWhole) {
    const int64_t end = std::min(block + kWhole, width);
    float least = 1.0f;
#pragma omp simd reduction(min : least)
    for (int64_t x = block; x < end; ++x) {
      const float known = is_hole(mask[x]) ? 0.0f : 1.0f;
      row[x] = other[x] = known;
      least = known < least ? known : least;
    }
    if (least == 0.0f) span = {std::min(span.first, block), end};
  }
  return span;
}

// A step on columns [first, last) of `count` rows, one or two: sums down the window's columns, of which two rows share
// all but the outermost, then along each row. `sums` holds two rows of stride + r floats, each from column -r on.
template <int count, int fixed, bool freeze, typename mask_t>
INPAINTX_INLINE void improved_rows(const mask_t* mask, int64_t width, const float* now, float* next, int64_t stride,
                                   float* sums, int64_t first, int64_t last, float per_area, int64_t radius) {
  const int64_t r = fixed > 0 ? fixed : radius;
  float* const below = sums + stride + r;
#pragma omp simd
  for (int64_t x = first - r; x < last + r; ++x) {
    float shared = now[x + (1 - r) * stride];
    for (int64_t j = 2 - r; j <= r; ++j) shared += now[x + j * stride];
    sums[x] = shared + now[x - r * stride];
    if constexpr (count == 2) below[x] = shared + now[x + (r + 1) * stride];
  }
  for (int row = 0; row < count; ++row, mask += width, now += stride, next += stride, sums = below) {
#pragma omp simd
    for (int64_t x = first; x < last; ++x) {
      float sum = sums[x - r];
      for (int64_t j = 1 - r; j <= r; ++j) sum += sums[x + j];
      next[x] = improved_step(is_hole(mask[x]), freeze ? now[x] : 0.0f, sum, per_area, freeze);
    }
  }
}

template <typename mask_t, typename... Args>
// The usual radii have code of their own, in which the sums over a window are unrolled; 0 stands for any other.
INPAINTX_INLINE void improved_rows_of(int64_t count, int64_t r, bool freeze, const mask_t* mask, Args... args) {
  const auto of_radius = [&]<int fixed>() __attribute__((always_inline)) {
    if (freeze)
      count == 2 ? improved_rows<2, fixed, true>(mask, args..., r) : improved_rows<1, fixed, true>(mask, args..., r);
    else
      count == 2 ? improved_rows<2, fixed, false>(mask, args..., r) : improved_rows<1, fixed, false>(mask, args..., r);
  };
  switch (r) {
    case 1:
      return of_radius.template operator()<1>();
    case 2:
      return of_radius.template operator()<2>();
    case 3:
      return of_radius.template operator()<3>();
    default:
      return of_radius.template operator()<0>();
  }
}

INPAINTX_CLONES std::pair<int64_t, int64_t> known_row(const uint8_t* mask, int64_t width, float* row, float* other) {
  return known_row_of(mask, width, row, other);
}
INPAINTX_CLONES std::pair<int64_t, int64_t> known_row(const float* mask, int64_t width, float* row, float* other) {
  return known_row_of(mask, width, row, other);
}

INPAINTX_CLONES void step_rows(int64_t count, int64_t r, bool freeze, const uint8_t* mask, int64_t width,
                               const float* now, float* next, int64_t stride, float* sums, int64_t first, int64_t last,
                               float per_area) {
  improved_rows_of(count, r, freeze, mask, width, now, next, stride, sums, first, last, per_area);
}
INPAINTX_CLONES void step_rows(int64_t count, int64_t r, bool freeze, const float* mask, int64_t width,
                               const float* now, float* next, int64_t stride, float* sums, int64_t first, int64_t last,
                               float per_area) {
  improved_rows_of(count, r, freeze, mask, width, now, next, stride, sums, first, last, per_area);
}

}  // namespace

// Only the rows and columns that the hole spans are worked on; the others stay 1.
constexpr int64_t kStepsAtOnce = 10, kPairsAtOnce = 4;
constexpr int64_t kWorthwhile = 1 << 18;  // pixels of a row of each pair: a tenth of a millisecond a step
template <typename mask_t>
void improved(const Map<mask_t>& m) {
  const int64_t pixels = m.height * m.width;
  const int64_t n = m.radius == 0 ? 0 : m.n;          // a window of one pixel changes nothing
  const bool shared = m.batch < available_threads();  // an image's rows, among the threads
  const auto image = [&](int64_t b) {
    const mask_t* mask = m.mask + b * pixels;
    Plane planes[2]{{m.height, m.width, m.radius}, {m.height, m.width, m.radius}};
    std::vector<std::pair<int64_t, int64_t>> span((m.height + 1) / 2, {m.width, 0});  // of each pair of rows
    for (int64_t y = 0; y < m.height; ++y) {
      const auto [first, last] = known_row(mask + y * m.width, m.width, planes[0][y], planes[1][y]);
      auto& [from, to] = span[y / 2];
      from = std::min(from, first);
      to = std::max(to, last);
    }
    const int64_t pairs = (m.height + 1) / 2;
    const auto work = [&](int64_t step, int64_t begin, int64_t end, float* sums) {
      Plane &now = planes[step % 2], &next = planes[(step + 1) % 2];
      for (int64_t pair = std::max<int64_t>(begin, 0); pair < std::min(end, pairs); ++pair) {
        const auto [first, last] = span[pair];
        if (first >= last) continue;
        const int64_t y = 2 * pair;
        step_rows(std::min<int64_t>(2, m.height - y), m.radius, m.freeze, mask + y * m.width, m.width, now[y], next[y],
                  now.stride, sums, first, last, m.per_area);
      }
    };
    if (shared) {
      for (int64_t step = 0; step < n; ++step) {
        parallel_for(0, pairs, std::max<int64_t>(1, kWorthwhile / std::max<int64_t>(m.width, 1)),
                     [&](int64_t begin, int64_t end) {
                       std::vector<float> sums(2 * (planes[0].stride + m.radius));
                       work(step, begin, end, sums.data() + m.radius);
                     });
      }
    } else {  // several steps on a few rows while they are in cache; each step stays so far behind the one before it
      const int64_t behind = (m.radius + 1) / 2;
      std::vector<float> sums(2 * (planes[0].stride + m.radius));
      for (int64_t start = 0; start < n; start += kStepsAtOnce) {
        const int64_t steps = std::min(kStepsAtOnce, n - start);
        for (int64_t top = 0; top < pairs + (steps - 1) * behind; top += kPairsAtOnce) {
          for (int64_t i = 0; i < steps; ++i) {
            const int64_t begin = top - i * behind;
            work(start + i, begin, begin + kPairsAtOnce, sums.data() + m.radius);
          }
        }
      }
    }
    for (int64_t y = 0; y < m.height; ++y) std::copy_n(planes[n % 2][y], m.width, m.map + b * pixels + y * m.width);
  };
  if (shared) {
    for (int64_t b = 0; b < m.batch; ++b) image(b);
  } else {
    parallel_for(0, m.batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) image(b);
    });
  }
}

template void improved(const Map<uint8_t>&);
template void improved(const Map<float>&);

}  // namespace inpaintx::spd_map::cpu
