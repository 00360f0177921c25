// The first coarse matrix, straight from the photo's mask. A finest row holds its pixel's number of neighbors and -1
// for each that is unknown, interpolation is made of ones and halves: sixteen times a coefficient is a whole number
// that fits a byte, up to 124 on the diagonal and from -16 to 16 beside it. So they are had 32 at a time.
#include <algorithm>
#include <cstring>

#include "common/isa.h"
#include "common/parallel.h"
#include "poisson/grid/galerkin.h"
#include "poisson/grid/rows.h"

namespace inpaintx::poisson {
namespace {

constexpr int kWide = 32;  // coarse pixels
using Bytes = uint8_t __attribute__((vector_size(kWide)));

INPAINTX_INLINE void load(const uint8_t* from, Bytes& to) { std::memcpy(&to, from, sizeof to); }

// Masks of a fine row at columns 2X - 2, 2X - 1, .. 2X + 2 for 32 columns X.
struct MaskRow {
  Bytes even_before, odd_before, even, odd, even_after;

  INPAINTX_INLINE MaskRow(const Level& fine, int y, int x) {
    y = std::clamp(y, -1, fine.h);
    const uint8_t *evens = fine.mask_half(y, 0) + x, *odds = fine.mask_half(y, 1) + x;
    load(evens - 1, even_before);
    load(odds - 1, odd_before);
    load(evens, even);
    load(odds, odd);
    load(evens + 1, even_after);
  }
};

// Four times the product of some entries of the matrix with interpolation along x: of X with X - 1, X and X + 1.
using Products = Bytes[3];

// Where the photo's last column belongs to coarse column X alone, and the first and the last lack a neighbor.
struct Ends {
  int first, last;  // lanes of the photo's first and last column, or -1
  bool alone;       // the last one is odd: no coarse column follows

  Ends(const Level& fine, int x) : first(-1), last(-1), alone(fine.w % 2 == 0) {
    const int lane = (fine.w - 1) / 2 - x;
    if (fine.open && x == 0) first = 0;
    if (fine.open && lane < kWide) last = lane;
  }
};

// Of the entries within row y.
INPAINTX_INLINE void within(const MaskRow& m, const Level& fine, int y, const Ends& ends, Products& p) {
  const uint8_t lacking = (y <= 0) + (y >= fine.h - 1);
  const auto twice = [](Bytes& a) { a += a; };
  const auto diagonal = [&](const Bytes& mask, Bytes& a) {
    a = mask;
    twice(a), twice(a);
    a -= -mask & lacking;
  };
  const Bytes left = m.odd_before & m.even, right = m.even & m.odd;  // pairs of unknown neighbors
  Bytes before = (m.even_before & m.odd_before) + left, here = left + right, after = right + (m.odd & m.even_after);
  twice(before), twice(here), twice(here), twice(after);
  Bytes centre;
  diagonal(m.odd_before, p[0]), diagonal(m.even, centre), diagonal(m.odd, p[2]);
  twice(centre), twice(centre);
  p[1] = centre + p[0] + p[2] - here;
  p[0] -= before;
  p[2] -= after;
  if (ends.first >= 0) p[1][ends.first] -= 4 * m.even[ends.first];
  if (ends.last < 0) return;
  if (ends.alone) {
    p[1][ends.last] += (8 - 3 * lacking) * m.odd[ends.last] - 4 * right[ends.last];
    p[2][ends.last] = 0;
  } else {
    p[1][ends.last] -= 4 * m.even[ends.last];
  }
}

// Of the entries between two rows, with the sign turned.
INPAINTX_INLINE void rows_between(const MaskRow& a, const MaskRow& b, const Ends& ends, Products& p) {
  p[0] = a.odd_before & b.odd_before;
  p[2] = a.odd & b.odd;
  Bytes centre = a.even & b.even;
  centre += centre, centre += centre;
  p[1] = centre + p[0] + p[2];
  if (ends.last >= 0 && ends.alone) {
    p[1][ends.last] += 3 * p[2][ends.last];
    p[2][ends.last] = 0;
  }
}

// Sixteen times the coefficients of 32 pixels of coarse row y.
INPAINTX_INLINE void coefficients(const Level& fine, int y, int x, Bytes (&a)[9]) {
  const Ends ends(fine, x);
  const MaskRow m0(fine, 2 * y - 2, x), m1(fine, 2 * y - 1, x), m2(fine, 2 * y, x), m3(fine, 2 * y + 1, x),
      m4(fine, 2 * y + 2, x);
  Products above, here, below, to_above, over, under, to_below;
  within(m1, fine, 2 * y - 1, ends, above);
  within(m2, fine, 2 * y, ends, here);
  within(m3, fine, 2 * y + 1, ends, below);
  rows_between(m0, m1, ends, to_above);
  rows_between(m1, m2, ends, over);
  rows_between(m2, m3, ends, under);
  rows_between(m3, m4, ends, to_below);
  const bool alone = 2 * y + 2 == fine.h;  // no coarse row follows
  for (int k = 0; k < 3; ++k) {
    const Bytes up = over[k] + over[k], down = under[k] + under[k];
    Bytes centre = here[k] + here[k] - up - (alone ? down + down : down);
    centre += centre;
    const Bytes twice = below[k] + below[k];
    a[k] = above[k] - up - (to_above[k] + to_above[k]);
    a[3 + k] = centre + above[k] + (alone ? twice + twice : below[k]);
    a[6 + k] = alone ? Bytes{} : below[k] - down - (to_below[k] + to_below[k]);
  }
}

INPAINTX_CLONES void fill_row(const Level& fine, const Level& coarse, int y) {
  for (int64_t s = coarse.first[y]; s < coarse.first[y + 1]; ++s) {
    const Span& span = coarse.spans[s];
    for (int x = span.x0; x < span.x1 && !span.uniform(); x += kWide) {
      Bytes a[9];
      coefficients(fine, y, x, a);
      for (int k = 0; k < 9; ++k) {  // what belongs to known pixels is dropped
        Bytes unknown;
        load(coarse.mask_row(y + k / 3 - 1) + x + k % 3 - 1, unknown);
        a[k] &= -unknown;
      }
      float* out = coarse.coef.as<float>() + span.coef + 9 * (x - span.x0);
      for (int j = 0; j < std::min(kWide, span.x1 - x); j += kChunk, out += 9 * kChunk) {
        const auto* value = reinterpret_cast<const int8_t*>(a) + j;
        float inverse[kChunk];
#pragma omp simd simdlen(8)
        for (int i = 0; i < kChunk; ++i) {
          const float centre = uint8_t(value[4 * kWide + i]), all = 16 / centre;
          inverse[i] = centre > 0 ? all : 0.f;
        }
#pragma GCC unroll 9
        for (int k = 0; k < 9; ++k) {
#pragma omp simd simdlen(8)
          for (int i = 0; i < kChunk; ++i) {
            out[k * kChunk + i] = k == 4 ? inverse[i] : float(value[k * kWide + i]) * (inverse[i] * -0.0625f);
          }
        }
      }
    }
  }
}

}  // namespace

void fill_from_mask(const Level& fine, Level& coarse) {
  parallel_for(0, coarse.h, rows_per_task(coarse.w, 5), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) fill_row(fine, coarse, int(y));
  });
}

}  // namespace inpaintx::poisson
