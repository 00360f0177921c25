// The hard map on the CPU: a chessboard distance transform, capped at what n dilations reach, and a table from distance
// to value. Two passes over rows do it,
//
//   down:  d(y, x) = min(own, 1 + min of d(y-1, x-1 .. x+1)),  then along the row in log2(cap) steps
//   up:    the same from below, with the look-up on the way,
//
// in 8 bits where the cap is below 128, 64 pixels an instruction. Blocks of 64 pixels without a hole are skipped. An
// image is cut into bands of rows where there are few images; a band computes the `far` rows around it too, beyond
// which no distance reaches, so that bands need nothing from each other and results do not depend on the cut.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "common/prefetch.h"
#include "spd_map/kernels.h"
#include "spd_map/math.h"

#ifdef INPAINTX_LEVELS
#include <immintrin.h>
#endif

namespace inpaintx::spd_map::cpu {
namespace {

constexpr int64_t kBlock = 64;   // pixels that one vector instruction takes, at 8 bits
constexpr int64_t kMargin = 64;  // on either side of a row: the longest step along it
constexpr int64_t kTable = 128;  // 8-bit distances are less

int64_t padded(int64_t width) { return (width + kBlock - 1) / kBlock * kBlock; }

// Rows of distances, whole blocks long. What lies beyond the image, to the end of the last block and in the margins, is
// never nearer to a known pixel than a path that stays inside.
template <typename dist_t>
class Rows {
 public:
  Rows(int64_t count, int64_t width, dist_t far)
      : stride_(padded(width) + kMargin), data_(new dist_t[count * stride_ + kMargin]) {
    std::fill_n(data_.get(), kMargin, far);
    for (int64_t y = 0; y < count; ++y) std::fill((*this)[y] + width, (*this)[y] + stride_, far);
  }
  dist_t* operator[](int64_t row) { return data_.get() + row * stride_ + kMargin; }

 private:
  int64_t stride_;
  std::unique_ptr<dist_t[]> data_;
};

// Blocks [first, last) of a row that hold hidden pixels.
struct Span {
  int64_t first = 0, last = 0;
  bool empty() const { return first >= last; }
};

// row[x] = far where hidden, else 0.
template <typename value_t, typename dist_t>
INPAINTX_INLINE void hide(const value_t* mask, dist_t* row, int64_t width, dist_t far) {
#pragma omp simd
  for (int64_t x = 0; x < width; ++x) row[x] = is_hole(mask[x]) ? far : dist_t(0);
}

// Puts 0 into the blocks next to the span, which are as far as a step along the row reaches; beyond the image they stay
// as they are.
INPAINTX_INLINE void zero_beside(uint8_t* row, Span span, int64_t width) {
  if (span.first > 0) std::fill_n(row + span.first - kBlock, kBlock, uint8_t(0));
  if (span.last < width) std::fill_n(row + span.last, std::min(kBlock, width - span.last), uint8_t(0));
}

// The row as hide makes it, to the end of the last block `far`: beyond the image lies nothing known. And the blocks
// that matter.
template <typename value_t>
INPAINTX_INLINE Span load(const value_t* mask, uint8_t* row, int64_t width, uint8_t far) {
  hide(mask, row, width, far);
  const int64_t end = padded(width);
  std::fill(row + width, row + end, uint8_t(0));
  Span span{end, 0};
  for (int64_t x = 0; x < end; x += kBlock) {
    uint64_t words[kBlock / 8], any = 0;
    std::memcpy(words, row + x, kBlock);
    for (const uint64_t word : words) any |= word;
    span.first = any && x < span.first ? x : span.first;
    span.last = any ? x + kBlock : span.last;
  }
  std::fill(row + width, row + end, far);
  return span.empty() ? Span{} : span;
}

// row[x] = min(row[x], 1 + the least of the three nearest in the row before)
template <typename dist_t>
INPAINTX_INLINE void from_before(dist_t* __restrict row, const dist_t* before, Span span) {
  for (int64_t block = span.first; block < span.last; block += kBlock) {
#pragma omp simd
    for (int64_t x = block; x < block + kBlock; ++x) {
      const dist_t beside = before[x - 1] < before[x + 1] ? before[x - 1] : before[x + 1];
      const dist_t least = beside < before[x] ? beside : before[x];
      const auto next = static_cast<dist_t>(least + 1);
      row[x] = next < row[x] ? next : row[x];
    }
  }
}

// to[x] = the least of from[x] and from[x +- i step] + i step, i = 1 .. kSteps.
// Values are below 128 and steps at most 64: nothing overflows.
template <int kSteps>
INPAINTX_INLINE void along_row(const uint8_t* from, uint8_t* to, Span span, int64_t step) {
  const auto lesser = [](uint8_t a, uint8_t b) __attribute__((always_inline)) { return a < b ? a : b; };
  const auto nearest = [&](int64_t x, int i) __attribute__((always_inline)) {
    return static_cast<uint8_t>(lesser(from[x - i * step], from[x + i * step]) + i * step);
  };
  for (int64_t block = span.first; block < span.last; block += kBlock) {
#pragma omp simd
    for (int64_t x = block; x < block + kBlock; ++x) {
      uint8_t least = lesser(from[x], nearest(x, 1));
      if constexpr (kSteps >= 3) least = lesser(least, lesser(nearest(x, 2), nearest(x, 3)));
      if constexpr (kSteps >= 4) least = lesser(least, nearest(x, 4));
      to[x] = least;
    }
  }
}

constexpr int64_t kTogether = 4;  // rows: none waits for what was written a moment ago
constexpr int64_t kAhead = 8;     // rows of the map: fetched before they are written

struct Distances {
  Distances(int64_t count, int64_t width, uint8_t far)
      : rows(count, width, far),
        known(1, width, far),
        even(kTogether, width, far),
        odd(kTogether, width, far),
        spans(count) {
    std::fill_n(known[0], width, uint8_t(0));
  }
  const uint8_t* row(int64_t y) { return spans[y].empty() ? known[0] : rows[y]; }

  Rows<uint8_t> rows, known, even, odd;
  std::vector<Span> spans;
};

// Chessboard distance to the nearest known pixel, at most `far`, of `count` rows: along each row, in steps that grow
// fourfold; then from the row below, whose nearest three know of all that is nearer by way of it. What is left is
// from_above, row after row. Rows without a hidden pixel are not written.
//
// After steps of 1, 4, .. each pixel has looked 3 + 12 + .. = last - 1 columns to either side, and the step of `last`
// brings that to far - 1 at least, in the shortest form that does (along_row of 1, 3 or 4).
template <typename value_t>
INPAINTX_INLINE void distances(const value_t* mask, Distances& d, int64_t count, int64_t width, uint8_t far) {
  int64_t last = 1;
  while (5 * last < far) last *= 4;
  for (int64_t top = 0; top < count; top += kTogether) {
    const int64_t n = std::min(kTogether, count - top);
    for (int64_t i = 0; i < n; ++i) {
      d.spans[top + i] = load(mask + (top + i) * width, d.even[i], width, far);
    }
    Rows<uint8_t>*from = &d.even, *to = &d.odd;
    for (int64_t step = 1; step < last; step *= 4, std::swap(from, to)) {
      for (int64_t i = 0; i < n; ++i) {
        const int64_t next = top + kTogether + i;
        if (step == 1 && next < count) prefetch(mask + next * width, width);
        const Span span = d.spans[top + i];
        if (span.empty()) continue;
        along_row<3>((*from)[i], (*to)[i], span, step);
        zero_beside((*to)[i], span, width);
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      const int64_t y = top + i;
      const Span span = d.spans[y];
      if (span.empty()) continue;
      uint8_t* row = d.rows[y];
      if (last == kMargin) {
        along_row<1>((*from)[i], row, span, last);
      } else if (4 * last < far) {
        along_row<4>((*from)[i], row, span, last);
      } else {
        along_row<3>((*from)[i], row, span, last);
      }
      std::fill(row, row + span.first, uint8_t(0));
      if (span.last < width) std::fill(row + span.last, row + width, uint8_t(0));
    }
  }
  for (int64_t y = count - 2; y >= 0; --y) from_before(d.rows[y], d.row(y + 1), d.spans[y]);
}

INPAINTX_CLONES void distances8(const uint8_t* m, Distances& d, int64_t n, int64_t w, uint8_t far) {
  distances(m, d, n, w, far);
}
INPAINTX_CLONES void distances8(const float* m, Distances& d, int64_t n, int64_t w, uint8_t far) {
  distances(m, d, n, w, far);
}

INPAINTX_CLONES void from_above(Distances& d, int64_t y) {
  if (y > 0) from_before(d.rows[y], d.row(y - 1), d.spans[y]);
}

// Past 8 bits a plain recurrence does.
template <typename mask_t>
void distances32(const mask_t* mask, Rows<int32_t>& rows, int64_t count, int64_t width, int32_t far) {
  for (int64_t y = 0; y < count; ++y) {
    hide(mask + y * width, rows[y], width, far);
    if (y > 0) from_before(rows[y], rows[y - 1], {0, padded(width)});
    for (int64_t x = 1; x < width; ++x) rows[y][x] = std::min(rows[y][x], rows[y][x - 1] + 1);
  }
  for (int64_t y = count - 1; y >= 0; --y) {
    if (y + 1 < count) from_before(rows[y], rows[y + 1], {0, padded(width)});
    for (int64_t x = width - 2; x >= 0; --x) rows[y][x] = std::min(rows[y][x], rows[y][x + 1] + 1);
  }
}

INPAINTX_CLONES void ones(float* out, int64_t n) {
#pragma omp simd
  for (int64_t x = 0; x < n; ++x) out[x] = 1.0f;
}

INPAINTX_CLONES void look_up_any(const uint8_t* dist, const float* table, float* out, int64_t n) {
  for (int64_t x = 0; x < n; ++x) out[x] = table[dist[x]];
}

#ifdef INPAINTX_LEVELS
// Sixteen at a time out of a table in registers, of which an instruction searches 32 values.
template <int pairs>
__attribute__((target("arch=x86-64-v4"))) void look_up_v4(const uint8_t* dist, const float* table, float* out,
                                                          int64_t n) {
  __m512 values[2 * pairs];
  for (int i = 0; i < 2 * pairs; ++i) values[i] = _mm512_loadu_ps(table + 16 * i);
  for (int64_t x = 0; x < n; x += 16) {
    const __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(dist + x)));
    __m512 found = _mm512_permutex2var_ps(values[0], index, values[1]);
    for (int i = 1; i < pairs; ++i) {
      const __mmask16 here = _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(index, 5), _mm512_set1_epi32(i));
      found = _mm512_mask_mov_ps(found, here, _mm512_permutex2var_ps(values[2 * i], index, values[2 * i + 1]));
    }
    if (x + 16 <= n)
      _mm512_storeu_ps(out + x, found);
    else
      _mm512_mask_storeu_ps(out + x, static_cast<__mmask16>((1 << (n - x)) - 1), found);
  }
}
#endif

// By the largest index: a table of 32 values is one permutation of two registers, one of 128 takes four and three
// merges.
auto look_up_for([[maybe_unused]] int64_t far) {
#ifdef INPAINTX_LEVELS
  if (__builtin_cpu_supports("x86-64-v4")) return far < 32 ? look_up_v4<1> : far < 64 ? look_up_v4<2> : look_up_v4<4>;
#endif
  return look_up_any;
}

}  // namespace

// The rings of n dilations are a chessboard distance transform, so that the cost does not grow with n.
template <typename mask_t>
void hard(const Map<mask_t>& m) {
  const int64_t pixels = m.height * m.width;
  const int64_t far = std::max<int64_t>(m.reach(), 1) + 1;
  std::vector<float> table(std::max(far + 1, kTable));
  for (int64_t d = 0; d < far; ++d) {
    table[d] = d == 0 ? 1.0f : static_cast<float>(std::pow(m.k, -static_cast<double>(ring(d, m.radius, m.n))));
  }
  table[far] = static_cast<float>(std::pow(m.k, -static_cast<double>(m.n)));  // never reached: no known pixel at all
  const auto look_up = look_up_for(far);
  // few images: bands of rows, each computed with the `far` rows around it, beyond which no distance reaches
  const int64_t band = m.batch >= available_threads() ? std::max<int64_t>(m.height, 1) : 4 * far;
  const int64_t bands = (m.height + band - 1) / band;
  constexpr int64_t kWorthwhile = 1 << 20;  // pixels, half a millisecond: less is not worth another thread
  const int64_t grain = std::max<int64_t>(1, kWorthwhile / std::max<int64_t>(band * m.width, 1));
  parallel_for(0, m.batch * bands, grain, [&](int64_t begin, int64_t end) {
    std::optional<Distances> room;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t top = i % bands * band, bottom = std::min(top + band, m.height);
      const int64_t first = std::max<int64_t>(0, top - far), count = std::min(bottom + far, m.height) - first;
      const mask_t* mask = m.mask + i / bands * pixels + first * m.width;
      float* out = m.map + i / bands * pixels;
      if (far < kTable) {
        if (!room) room.emplace(std::min(band + 2 * far, m.height), m.width, static_cast<uint8_t>(far));
        distances8(mask, *room, count, m.width, static_cast<uint8_t>(far));
        for (int64_t y = first; y < top; ++y) from_above(*room, y - first);
        for (int64_t y = top; y < bottom; ++y) {
          from_above(*room, y - first);
          const Span span = room->spans[y - first];
          const int64_t from = std::min(span.first, m.width), to = std::min(span.last, m.width);
          float* row = out + y * m.width;
          if (y + kAhead < bottom) prefetch<Use::kWrite>(row + kAhead * m.width, m.width);
          ones(row, from);
          look_up(room->rows[y - first] + from, table.data(), row + from, to - from);
          ones(row + to, m.width - to);
        }
      } else {
        Rows<int32_t> rows(count, m.width, far);
        distances32(mask, rows, count, m.width, far);
        for (int64_t y = top; y < bottom; ++y) {
          for (int64_t x = 0; x < m.width; ++x) out[y * m.width + x] = table[rows[y - first][x]];
        }
      }
    }
  });
}

template void hard(const Map<uint8_t>&);
template void hard(const Map<float>&);

}  // namespace inpaintx::spd_map::cpu
