// The photo's own grid: matrix-free, in the precision of the images, in place.
//
// Order of loops: blocks of rows are shared by the threads; in a block, row t is corrected while row t - k takes
// half-step k, and residuals follow a row behind; in a row, spans, with all channels of a pixel at once. In place needs
// care where blocks meet: a block reads its neighbors' old rows from copies that are made before any block starts (the
// halos), and relaxes them there again, as their owner does.
#include "poisson/cpu/cycle.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "common/isa.h"
#include "poisson/cpu/blocks.h"

namespace inpaintx::poisson {
namespace {

constexpr int kMaskSlots = 16;  // widened mask rows, which must outlive the last half-step and the residual

template <class T>
struct PhotoGridBlock {
  const PhotoGridPass<T>* pass;
  int y0, y1;        // own rows
  int halo;          // rows of the old v kept on either side
  T *above, *below;  // [halo][channels][2][half]: they are changed meanwhile by those who own them
};

// One half of a row, whose other half is `beside`. A pixel at the photo's edge stands in for neighbors that it does
// not have, and has the fewer to be relaxed against.
template <class T, int kChannels>
INPAINTX_INLINE void relax_half(const Level& level, const PhotoGridPass<T>& pass, int y, int odd, T* v, const T* up,
                                const T* down, const T* beside, const typename MaskOf<T>::type* m, T omega) {
  const T* rhs = pass.rhs ? pass.rhs->at(y, 0, odd) : nullptr;
  const int64_t jump = 2 * level.half;
  const int w = level.w, neighbours = 2 + (y > 0) + (y < level.h - 1);
  T left[kChannels], right[kChannels];
  const bool at_left = level.open && odd == 0 && level.mask_row(y)[0];
  const bool at_right = level.open && odd == (w - 1) % 2 && level.mask_row(y)[w - 1];
  for (int c = 0; c < kChannels && (at_left || at_right); ++c) {
    left[c] = v[c * jump];
    right[c] = v[c * jump + (w - 1) / 2];
  }
  if (neighbours < 4) omega *= T(4) / T(neighbours);
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0 / 2, n = (span.x1 - span.x0) / 2;
    if (rhs)
      relax5_span<T, kChannels, true, true>(v + x, up + x, down + x, beside + x, jump, m + x, rhs + x, omega, n);
    else if (span.uniform())
      relax5_span<T, kChannels, false, false>(v + x, up + x, down + x, beside + x, jump, m, rhs, omega, n);
    else
      relax5_span<T, kChannels, true, false>(v + x, up + x, down + x, beside + x, jump, m + x, rhs, omega, n);
  }
  if (!at_left && !at_right) return;
  // A pixel with fewer neighbors has a smaller diagonal: the step of four is lengthened by their ratio. Spans know
  // nothing of columns, so the first and last one are lengthened afterwards.
  const T more = T(neighbours) / T(neighbours - 1 - (w == 1)) - 1;
  for (int c = 0; c < kChannels; ++c) {
    T &first = v[c * jump], &last = v[c * jump + (w - 1) / 2];
    if (at_left) first += more * (first - left[c]);
    if (at_right && w > 1) last += more * (last - right[c]);
  }
}

template <class T, int kChannels>
INPAINTX_INLINE void residual_half(const Level& level, const PhotoGridPass<T>& pass, int y, int odd, T* out, const T* v,
                                   const T* up, const T* down, const T* beside, const typename MaskOf<T>::type* m,
                                   T (*sum)[kChunk]) {
  const T* rhs = pass.rhs ? pass.rhs->at(y, 0, odd) : nullptr;
  const int64_t jump = 2 * level.half;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0 / 2, n = (span.x1 - span.x0) / 2;
    if (pass.coarse == nullptr && pass.zero_inside && span.uniform()) {  // zero
      for (int c = 0; c < kChannels; ++c) std::fill_n(out + c * jump + x, n, T(0));
      continue;
    }
    if (rhs)
      residual5_span<T, kChannels, true, true>(out + x, v + x, up + x, down + x, beside + x, jump, m + x, rhs + x, sum,
                                               n);
    else if (span.uniform())
      residual5_span<T, kChannels, false, false>(out + x, v + x, up + x, down + x, beside + x, jump, m, rhs, sum, n);
    else
      residual5_span<T, kChannels, true, false>(out + x, v + x, up + x, down + x, beside + x, jump, m + x, rhs, sum, n);
  }
}

// Adds the next grid's correction to row y.
template <class T, int kChannels, bool kBetween>
INPAINTX_INLINE void correct_row(const Level& level, const PhotoGridPass<T>& pass, int y, T* even, const float* a,
                                 const float* b, const typename MaskOf<T>::type* m_even) {
  T* odd = even + level.half;
  const auto* m_odd = m_even + level.half;
  const int64_t jump = 2 * level.half, coarse_jump = pass.coarse->stride;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0 / 2, n = (span.x1 - span.x0) / 2;
    if (!span.uniform())
      correct_span<T, kChannels, true, false, kBetween>(even + x, odd + x, jump, a + x, b + x, coarse_jump, m_even + x,
                                                        m_odd + x, n);
    else if (pass.zero_inside)
      correct_span<T, kChannels, false, true, kBetween>(even + x, odd + x, jump, a + x, b + x, coarse_jump, m_even,
                                                        m_odd, n);
    else
      correct_span<T, kChannels, false, false, kBetween>(even + x, odd + x, jump, a + x, b + x, coarse_jump, m_even,
                                                         m_odd, n);
  }
}

// Restricts the residuals of three rows into coarse row y; a row holds its channels' halves.
template <class T>
INPAINTX_INLINE void restrict_rows(const Level& fine, const Level& coarse, const PhotoGridPass<T>& pass, int y,
                                   const T* above, const T* here, const T* below, T weight, int32_t* m) {
  const uint8_t* unknown = coarse.mask_row(y);
  for (int64_t s = coarse.first[y]; s < coarse.first[y + 1]; ++s) {
    const Span& span = coarse.spans[s];
    const int x = span.x0, n = span.x1 - x, last = coarse.w - 1;
    widen(unknown + x, m, n);
    for (int c = 0; c < pass.residual->channels; ++c) {
      float* out = pass.residual->at(y, c);
      const int64_t at = 2 * c * fine.half;
      const T *a = above + at, *h = here + at, *b = below + at;
      if (pass.coarse == nullptr && pass.zero_inside && span.uniform()) {
        std::fill_n(out + x, n, 0.f);
        continue;
      }
      restrict_halves(out + x, a + x, h + x, b + x, fine.half, weight, m, n);
      if (fine.w % 2 == 0 && last >= x && last < x + n && unknown[last]) {  // its outer neighbor has no other
        const int64_t i = fine.half + last;
        out[last] += float(T(0.5) * (h[i] + (T(0.5) * a[i] + weight * b[i])));
      }
    }
  }
}

// A block's pass: row t is corrected while row t - k takes half-step k, and residuals follow a row behind the last one.
template <class T, int kChannels>
struct PhotoGridWorker {
  using M = typename MaskOf<T>::type;

  const PhotoGridBlock<T>& block;
  const PhotoGridPass<T>& pass;
  const Level &level, &coarse;
  const int h, steps;
  const int64_t half, size;  // of half a row, and of a row with its channels
  const bool still;          // nothing is written: v is read where it lies
  Workspace memory;  // residuals of the latest rows, a row of zeros, a coarse row's mask, the latest rows' masks

  explicit PhotoGridWorker(const PhotoGridBlock<T>& b)
      : block(b),
        pass(*b.pass),
        level(pass.hierarchy->levels[0]),
        coarse(pass.hierarchy->levels[1]),
        h(level.h),
        steps(pass.omega.size()),
        half(level.half),
        size(2 * half * kChannels),
        still(pass.coarse == nullptr),
        memory(((kSlots + 1) * size + coarse.stride) * sizeof(T) + kMaskSlots * 2 * half * sizeof(M)) {}

  INPAINTX_INLINE T* residual(int y) const { return memory.as<T>() + (y & (kSlots - 1)) * size + kPad; }
  INPAINTX_INLINE const T* zeros() const { return memory.as<T>() + kSlots * size + kPad; }
  INPAINTX_INLINE int32_t* coarse_mask() const {
    return reinterpret_cast<int32_t*>(memory.as<T>() + (kSlots + 1) * size);
  }
  INPAINTX_INLINE M* mask(int y) const {
    M* masks = reinterpret_cast<M*>(memory.as<T>() + (kSlots + 1) * size + coarse.stride) + kPad;
    return masks + (y & (kMaskSlots - 1)) * 2 * half;
  }
  // Even columns of a row's first channel: the block's own rows in place, those of its neighbors in the copies.
  INPAINTX_INLINE T* row(int y) const {
    if (still || (y >= block.y0 && y < block.y1)) return pass.v.at(y, 0, 0);
    const bool above = y < block.y0;
    return (above ? block.above + (y - block.y0 + block.halo) * size : block.below + (y - block.y1) * size) + kPad;
  }

  INPAINTX_INLINE void widen_masks(int y) const {
    for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
      const Span& span = level.spans[s];
      const int x = span.x0 / 2, n = (span.x1 - span.x0) / 2;
      for (int odd = 0; odd < 2 && (!span.uniform() || pass.rhs); ++odd) {
        widen(level.mask_half(y, odd) + x, mask(y) + odd * half + x, n);
      }
    }
  }

  INPAINTX_INLINE void correct(int y) const {
    const float* a = pass.coarse->at(y / 2, 0);
    if (y % 2 == 1 && y / 2 + 1 < coarse.h)
      correct_row<T, kChannels, true>(level, pass, y, row(y), a, pass.coarse->at(y / 2 + 1, 0), mask(y));
    else
      correct_row<T, kChannels, false>(level, pass, y, row(y), a, a, mask(y));
  }

  // Half-step k, from 1: every second pixel, those with y + x + k odd.
  INPAINTX_INLINE void relax(int y, int k) const {
    const int odd = (y + k) & 1;
    T* even = row(y);
    relax_half<T, kChannels>(level, pass, y, odd, even + odd * half, row(std::max(0, y - 1)) + odd * half,
                             row(std::min(h - 1, y + 1)) + odd * half, even + (odd ? 1 : half), mask(y) + odd * half,
                             T(pass.omega[k - 1]));
  }

  INPAINTX_INLINE void mirror(int y) const {
    for (int c = 0; c < kChannels && level.open; ++c) mirror_ends(row(y) + 2 * c * half, half, level.w);
  }

  // Zeros left of each span: these residuals are restricted with the span's own, and nothing writes them.
  INPAINTX_INLINE void clear_residual(int y) const {
    T* r = residual(y);
    for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
      const int x = level.spans[s].x0 / 2 - 1;
      for (int c = 0; c < kChannels; ++c) r[(2 * c + 1) * half + x] = 0;
    }
  }

  INPAINTX_INLINE void take_residual(int y) const {
    T sum[kChannels][kChunk] = {};
    T* r = residual(y);
    const T *even = row(y), *up = row(std::max(0, y - 1)), *down = row(std::min(h - 1, y + 1));
    for (int odd = 0; odd < 2; ++odd) {
      if (steps > 0 && odd == ((y + steps) & 1)) continue;
      residual_half<T, kChannels>(level, pass, y, odd, r + odd * half, even + odd * half, up + odd * half,
                                  down + odd * half, even + (odd ? 1 : half), mask(y) + odd * half, sum);
    }
    for (int c = 0; c < kChannels && y >= block.y0; ++c) {
      double all = 0;
      for (const T lane : sum[c]) all += lane;
      pass.norms[int64_t(y) * kChannels + c] = all;
    }
  }

  // An odd row completes the coarse row above it; so does a last, even row.
  INPAINTX_INLINE void restrict_to_coarse(int y) const {
    const int center = y % 2 ? y - 1 : y;
    if (center < block.y0 || (y % 2 == 0 && y != h - 1)) return;
    restrict_rows(level, coarse, pass, center / 2, center > 0 ? residual(center - 1) : zeros(), residual(center),
                  y % 2 ? residual(y) : zeros(), T(y % 2 && y == h - 1 ? 1 : 0.5), coarse_mask());
  }
};

template <class T, int kChannels>
// The pass of a block, see above. All of PhotoGridWorker is inlined here, so that the loops over spans are compiled for
// this number of channels and this instruction set.
INPAINTX_INLINE void smooth_photo_block(const PhotoGridBlock<T>& block) {
  const PhotoGridWorker<T, kChannels> w(block);
  const PhotoGridPass<T>& pass = w.pass;
  // Coarse row Y needs residuals of rows 2Y - 1 .. 2Y + 1, these need values of one row more on either side.
  const int r0 = std::max(0, block.y0 - 1), r1 = block.y1, from = block.y0 - 2, to = block.y1 + 1;

  // In place, a row's half-step comes before the next half-step of the row above, and after its own last one and that
  // of the row below.
  for (int t = std::max(0, from - w.steps); t < r1 + w.steps + 1; ++t) {
    if (t < w.h) w.widen_masks(t);
    for (int k = 0; k <= w.steps && !w.still; ++k) {
      const int y = t - k, rest = w.steps - k;
      if (y < std::max(0, from - rest) || y >= std::min(w.h, to + rest) || w.level.empty(y)) continue;
      k == 0 ? w.correct(y) : w.relax(y, k);
      w.mirror(y);
    }
    const int y = t - w.steps - 1;
    if (y < r0 || y >= r1 || !pass.norms) continue;
    w.clear_residual(y);
    w.take_residual(y);
    if (pass.residual) w.restrict_to_coarse(y);
  }
}

template <class T>
INPAINTX_INLINE void any_channels(const PhotoGridBlock<T>& block) {
  switch (block.pass->v.channels) {
    case 1:
      return smooth_photo_block<T, 1>(block);
    case 2:
      return smooth_photo_block<T, 2>(block);
    case 3:
      return smooth_photo_block<T, 3>(block);
    default:
      return smooth_photo_block<T, 4>(block);
  }
}

INPAINTX_CLONES void smooth_photo_block_f32(const PhotoGridBlock<float>& block) { any_channels(block); }
INPAINTX_CLONES void smooth_photo_block_f64(const PhotoGridBlock<double>& block) { any_channels(block); }
void smooth_block(const PhotoGridBlock<float>& block) { smooth_photo_block_f32(block); }
void smooth_block(const PhotoGridBlock<double>& block) { smooth_photo_block_f64(block); }

}  // namespace

template <class T>
// Copies of the rows around the places where blocks meet, then the blocks. halo: a row for each half-step, and two for
// the residual that the coarse row at the edge needs.
void smooth_photo_grid(const PhotoGridPass<T>& pass) {
  TORCH_INTERNAL_ASSERT(pass.omega.size() + 2 <= kMaskSlots);
  const Level& level = pass.hierarchy->levels[0];
  const int h = level.h, blocks = blocks_for(level, pass.v.channels), halo = pass.omega.size() + 2;
  const int64_t row = 2 * pass.v.channels * level.half;
  std::vector<Workspace> halos(2 * blocks);
  if (pass.coarse && blocks > 1) {
    for (int b = 0; b < blocks; ++b) {
      const int y0 = block_start(h, b, blocks), y1 = block_start(h, b + 1, blocks);
      for (int side = 0; side < 2; ++side) {
        halos[2 * b + side] = Workspace(halo * row * sizeof(T));
        const int start = side ? y1 : y0 - halo, from = std::max(0, start), to = std::min(h, start + halo);
        if (from >= to) continue;
        const T* rows = pass.v.data - kPad + from * row;
        std::copy(rows, rows + (to - from) * row, halos[2 * b + side].template as<T>() + (from - start) * row);
      }
    }
  }
  over_blocks(h, blocks, [&](int y0, int y1, int b) {
    smooth_block(
        PhotoGridBlock<T>{&pass, y0, y1, halo, halos[2 * b].template as<T>(), halos[2 * b + 1].template as<T>()});
  });
}

template void smooth_photo_grid(const PhotoGridPass<float>&);
template void smooth_photo_grid(const PhotoGridPass<double>&);

}  // namespace inpaintx::poisson
