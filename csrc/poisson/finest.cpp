// The photo's own grid: matrix-free, in the precision of the images.
#include "poisson/cycle.h"

#include <algorithm>

#include "common/simd.h"
#include "poisson/blocks.h"

namespace inpaintx::poisson {
namespace {

constexpr int kMaskSlots = 8;  // widened mask rows, which must outlive the last stage
static_assert(kMaskSlots >= kMostSteps + 2);

template <class T>
struct FinestBlock {
  const FinestPass<T>* pass;
  int y0, y1;        // own rows
  int halo;          // rows of the old v kept on either side
  T *above, *below;  // [halo][channels][stride]: they are changed meanwhile by those who own them
};

template <class T, int kChannels>
POISSON_INLINE void relax_rows(const Level& level, const FinestPass<T>& pass, int y, T* out, const T* v, const T* up,
                               const T* down, const typename MaskOf<T>::type* m, T omega) {
  const T* rhs = pass.rhs ? pass.rhs->at(y, 0) : nullptr;
  const int64_t jump = level.stride;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = span.x1 - x;
    if (pass.thin && span.coef == kFar) continue;
    if (pass.thin && span.coef == kGhost)
      copy_span<T, kChannels>(out + x, v + x, jump, n);
    else if (rhs)
      relax5_span<T, kChannels, true, true>(out + x, v + x, up + x, down + x, jump, m + x, rhs + x, omega, n);
    else if (span.uniform())
      relax5_span<T, kChannels, false, false>(out + x, v + x, up + x, down + x, jump, m, rhs, omega, n);
    else
      relax5_span<T, kChannels, true, false>(out + x, v + x, up + x, down + x, jump, m + x, rhs, omega, n);
  }
  for (int c = 0; c < kChannels; ++c) mirror_ends(out + c * jump, level.w);
}

template <class T, int kChannels>
POISSON_INLINE void residual_rows(const Level& level, const FinestPass<T>& pass, int y, T* out, const T* v, const T* up,
                                  const T* down, const typename MaskOf<T>::type* m, double* norms) {
  const T* rhs = pass.rhs ? pass.rhs->at(y, 0) : nullptr;
  const int64_t jump = level.stride;
  T sum[kChannels][kChunk] = {}, other[kChannels][kChunk] = {};
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = span.x1 - x;
    if (pass.coarse == nullptr && pass.zero_inside && span.uniform()) continue;  // zero
    if (pass.thin && span.coef == kFar) continue;
    if (pass.thin && span.coef == kGhost)  // nobody's unknowns: where they are right, the next grid asks for them
      residual5_span<T, kChannels, false, false>(out + x, v + x, up + x, down + x, jump, m, rhs, other, n);
    else if (rhs)
      residual5_span<T, kChannels, true, true>(out + x, v + x, up + x, down + x, jump, m + x, rhs + x, sum, n);
    else if (span.uniform())
      residual5_span<T, kChannels, false, false>(out + x, v + x, up + x, down + x, jump, m, rhs, sum, n);
    else
      residual5_span<T, kChannels, true, false>(out + x, v + x, up + x, down + x, jump, m + x, rhs, sum, n);
  }
  for (int c = 0; c < kChannels; ++c) {
    double all = 0;
    for (const T lane : sum[c]) all += lane;
    norms[c] = all;
  }
}

template <class T, int kChannels>
POISSON_INLINE void finest_block(const FinestBlock<T>& block) {
  using M = typename MaskOf<T>::type;
  const FinestPass<T>& pass = *block.pass;
  const Level &level = pass.hierarchy->levels[0], &coarse = pass.hierarchy->levels[1];
  constexpr int channels = kChannels;
  const int h = level.h, steps = pass.omega.size();
  const int64_t stride = level.stride;

  // Stages 0 .. steps are values, the next one residuals; two more rows are scratch, and one row stays zero.
  Zeroed memory((int64_t(steps + 2) * kSlots * channels + 3) * stride * sizeof(T) + kMaskSlots * stride * sizeof(M));
  const Ring<T> ring{memory.as<T>(), stride, channels};
  T* scratch = ring.data + int64_t(steps + 2) * kSlots * channels * stride;
  T* zeros = scratch + 2 * stride + kPad;
  float* line = reinterpret_cast<float*>(scratch);
  int32_t* coarse_mask = reinterpret_cast<int32_t*>(scratch + stride);
  M* masks = reinterpret_cast<M*>(scratch + 3 * stride) + kPad;

  // Coarse row Y needs residuals of rows 2Y - 1 .. 2Y + 1, these need values of one row more on either side.
  const int r0 = std::max(0, block.y0 - 1), r1 = block.y1;
  const int from = block.y0 - 2, to = block.y1 + 1;

  const bool in_place = pass.coarse == nullptr;  // nothing is written: v is read where it lies
  for (int t = std::max(0, from - steps); t < r1 + steps + 1; ++t) {
    for (int k = 0; k <= steps; ++k) {
      const int y = t - k;
      if (y < std::max(0, from - (steps - k)) || y >= std::min(h, to + (steps - k)) || level.empty(y)) continue;
      M* m = masks + (y & (kMaskSlots - 1)) * stride;
      if (k == 0) {
        for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
          const Span& span = level.spans[s];
          if (!span.uniform() || pass.rhs) widen(level.mask_row(y) + span.x0, m + span.x0, span.x1 - span.x0);
        }
        if (in_place) {
          prefetch_row(level, pass.v, y + kAhead, pass.thin);
          continue;
        }
      }
      const bool own = y >= block.y0 && y < block.y1;
      T* out = k == steps && own ? pass.v.at(y, 0) : ring.at(k, y, 0);
      if (k > 0) {
        const T *v = ring.at(k - 1, y, 0), *up = ring.at(k - 1, std::max(0, y - 1), 0);
        const T* down = ring.at(k - 1, std::min(h - 1, y + 1), 0);
        relax_rows<T, kChannels>(level, pass, y, out, v, up, down, m, T(pass.omega[k - 1]));
        continue;
      }
      const T* old = own            ? pass.v.at(y, 0)
                     : y < block.y0 ? block.above + int64_t(y - block.y0 + block.halo) * channels * stride + kPad
                                    : block.below + int64_t(y - block.y1) * channels * stride + kPad;
      prefetch_row(level, pass.v, y + kAhead, pass.thin);
      if (y % 2 == 0) prefetch_row(coarse, *pass.coarse, y / 2 + kAhead, pass.thin);
      for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
        const Span& span = level.spans[s];
        const int x = span.x0, n = span.x1 - x;
        if (pass.thin && span.coef == kFar) continue;
        for (int c = 0; c < channels; ++c) {
          T* to = out + c * stride + x;
          const T* from = old + c * stride + x;
          interpolate(*pass.coarse, coarse.h, y, c, span, line);
          if (pass.zero_inside && span.uniform()) {
            set_row(to, line, n);
            continue;
          }
          if (span.uniform())
            add_row<T, false>(to, from, line, m, n);
          else
            add_row<T, true>(to, from, line, m + x, n);
        }
      }
      for (int c = 0; c < channels; ++c) mirror_ends(out + c * stride, level.w);
    }

    const int y = t - steps - 1;
    if (y < r0 || y >= r1 || !pass.norms) continue;
    T* r = ring.at(steps + 1, y, 0);
    if (y - kSlots >= r0) {  // the slot holds another row, and beyond this row's spans it must be zero
      for (int64_t s = level.first[y - kSlots]; s < level.first[y - kSlots + 1]; ++s) {
        const Span& span = level.spans[s];
        if (pass.thin && span.coef == kFar) continue;
        for (int c = 0; c < channels; ++c) std::fill(r + c * stride + span.x0, r + c * stride + span.x1, T(0));
      }
    }
    const T* rows[3];
    for (int k = 0; k < 3; ++k) {
      const int i = std::min(h - 1, std::max(0, y - 1 + k));
      rows[k] = in_place || (i >= block.y0 && i < block.y1) ? pass.v.at(i, 0) : ring.at(steps, i, 0);
    }
    double sums[kChannels];
    residual_rows<T, kChannels>(level, pass, y, r, rows[1], rows[0], rows[2], masks + (y & (kMaskSlots - 1)) * stride,
                                sums);
    if (y >= block.y0) std::copy_n(sums, channels, pass.norms + int64_t(y) * channels);

    if (pass.residual == nullptr) continue;
    // An odd row completes the coarse row above it; so does a last, even row.
    const int centre = y % 2 ? y - 1 : y;
    if (centre < block.y0 || (y % 2 == 0 && y != h - 1)) continue;
    prefetch_row(coarse, *pass.residual, centre / 2 + kAhead, pass.thin);
    for (int c = 0; c < channels; ++c) {
      const T* above = centre > 0 ? ring.at(steps + 1, centre - 1, c) : zeros;
      const T* below = y % 2 ? r + c * stride : zeros;
      restrict_spans(coarse, centre / 2, c, level.w, above, ring.at(steps + 1, centre, c), below,
                     T(y % 2 && y == h - 1 ? 1 : 0.5), {*pass.residual, pass.thin, pass.keep},
                     in_place && pass.zero_inside, coarse_mask);
    }
  }
}

template <class T>
POISSON_INLINE void any_channels(const FinestBlock<T>& block) {
  switch (block.pass->v.channels) {
    case 1:
      return finest_block<T, 1>(block);
    case 2:
      return finest_block<T, 2>(block);
    case 3:
      return finest_block<T, 3>(block);
    default:
      return finest_block<T, 4>(block);
  }
}

INPAINTX_CLONES void finest_block_f32(const FinestBlock<float>& block) { any_channels(block); }
INPAINTX_CLONES void finest_block_f64(const FinestBlock<double>& block) { any_channels(block); }
void run(const FinestBlock<float>& block) { finest_block_f32(block); }
void run(const FinestBlock<double>& block) { finest_block_f64(block); }

}  // namespace

template <class T>
void finest_pass(const FinestPass<T>& pass) {
  const Level& level = pass.hierarchy->levels[0];
  const int h = level.h, blocks = blocks_for(level, pass.v.channels, pass.thin), halo = pass.omega.size() + 2;
  const int64_t row = pass.v.channels * level.stride;
  std::vector<Zeroed> halos(2 * blocks);
  if (pass.coarse && blocks > 1) {
    for (int b = 0; b < blocks; ++b) {
      const int y0 = block_start(h, b, blocks), y1 = block_start(h, b + 1, blocks);
      for (int side = 0; side < 2; ++side) {
        halos[2 * b + side] = Zeroed(halo * row * sizeof(T));
        const int start = side ? y1 : y0 - halo, from = std::max(0, start), to = std::min(h, start + halo);
        if (from >= to) continue;
        const T* rows = pass.v.data - kPad + from * row;
        std::copy(rows, rows + (to - from) * row, halos[2 * b + side].template as<T>() + (from - start) * row);
      }
    }
  }
  over_blocks(h, blocks, [&](int y0, int y1, int b) {
    run(FinestBlock<T>{&pass, y0, y1, halo, halos[2 * b].template as<T>(), halos[2 * b + 1].template as<T>()});
  });
}

template void finest_pass(const FinestPass<float>&);
template void finest_pass(const FinestPass<double>&);

}  // namespace inpaintx::poisson