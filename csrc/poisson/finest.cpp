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

template <class T>
POISSON_INLINE void relax_rows(const Level& level, const FinestBlock<T>& block, int y, int c, T* out, const T* v,
                               const T* up, const T* down, const typename MaskOf<T>::type* m, T omega) {
  const T* rhs = block.pass->rhs ? block.pass->rhs->at(y, c) : nullptr;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = (span.x1 - x) & ~(kChunk - 1);
    if (block.pass->thin && span.coef == kFar) continue;
    if (block.pass->thin && span.coef == kGhost)
      std::copy(v + x, v + x + n, out + x);
    else if (rhs)
      relax_row5<T, true, true>(out + x, v + x, up + x, down + x, m + x, rhs + x, omega, n);
    else if (span.uniform())
      relax_row5<T, false, false>(out + x, v + x, up + x, down + x, m, rhs, omega, n);
    else
      relax_row5<T, true, false>(out + x, v + x, up + x, down + x, m + x, rhs, omega, n);
  }
  mirror_ends(out, level.w);
}

template <class T>
POISSON_INLINE double residual_rows(const Level& level, const FinestBlock<T>& block, int y, int c, T* out, const T* v,
                                    const T* up, const T* down, const typename MaskOf<T>::type* m) {
  const T* rhs = block.pass->rhs ? block.pass->rhs->at(y, c) : nullptr;
  double sum = 0;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = (span.x1 - x) & ~(kChunk - 1);
    if (block.pass->coarse == nullptr && block.pass->zero_inside && span.uniform()) continue;  // zero
    if (block.pass->thin && span.coef == kFar) continue;
    if (block.pass->thin && span.coef == kGhost)  // nobody's unknowns: where they are right, the next grid asks for them
      residual_row5<T, false, false>(out + x, v + x, up + x, down + x, m, rhs, n);
    else if (rhs)
      sum += residual_row5<T, true, true>(out + x, v + x, up + x, down + x, m + x, rhs + x, n);
    else if (span.uniform())
      sum += residual_row5<T, false, false>(out + x, v + x, up + x, down + x, m, rhs, n);
    else
      sum += residual_row5<T, true, false>(out + x, v + x, up + x, down + x, m + x, rhs, n);
  }
  return sum;
}

template <class T>
POISSON_INLINE void finest_block(const FinestBlock<T>& block) {
  using M = typename MaskOf<T>::type;
  const FinestPass<T>& pass = *block.pass;
  const Level &level = pass.hierarchy->levels[0], &coarse = pass.hierarchy->levels[1];
  const int h = level.h, channels = pass.v.channels, steps = pass.omega.size();
  const int64_t stride = level.stride;

  // Stages 0 .. steps are values, the next one residuals; three more rows are scratch, and one row stays zero.
  Zeroed memory((int64_t(steps + 2) * kSlots * channels + 4) * stride * sizeof(T) + kMaskSlots * stride * sizeof(M));
  const Ring<T> ring{memory.as<T>(), stride, channels};
  T* scratch = ring.data + int64_t(steps + 2) * kSlots * channels * stride;
  T* zeros = scratch + 3 * stride + kPad;
  float *line = reinterpret_cast<float*>(scratch), *mean = reinterpret_cast<float*>(scratch + stride);
  int32_t* coarse_mask = reinterpret_cast<int32_t*>(scratch + 2 * stride);
  M* masks = reinterpret_cast<M*>(scratch + 4 * stride) + kPad;

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
        if (in_place) continue;
      }
      for (int c = 0; c < channels; ++c) {
        T* out = k == steps && y >= block.y0 && y < block.y1 ? pass.v.at(y, c) : ring.at(k, y, c);
        if (k > 0) {
          const T *v = ring.at(k - 1, y, c), *up = ring.at(k - 1, std::max(0, y - 1), c);
          relax_rows(level, block, y, c, out, v, up, ring.at(k - 1, std::min(h - 1, y + 1), c), m,
                     T(pass.omega[k - 1]));
          continue;
        }
        const T* old = y < block.y0 ? block.above + (int64_t(y - block.y0 + block.halo) * channels + c) * stride + kPad
                       : y >= block.y1 ? block.below + (int64_t(y - block.y1) * channels + c) * stride + kPad
                                       : pass.v.at(y, c);
        for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
          const Span& span = level.spans[s];
          const int x = span.x0, n = (span.x1 - x) & ~(kChunk - 1);
          if (pass.thin && span.coef == kFar) continue;
          interpolate(*pass.coarse, coarse.h, y, c, span, line, mean);
          if (pass.zero_inside && span.uniform()) {
            set_row(out + x, line, n);
            continue;
          }
          if (y + 1 < block.y1) prefetch_row(old + stride * channels + x, n);
          if (span.uniform())
            add_row<T, false>(out + x, old + x, line, m, n);
          else
            add_row<T, true>(out + x, old + x, line, m + x, n);
        }
        mirror_ends(out, level.w);
      }
    }

    const int y = t - steps - 1;
    if (y < r0 || y >= r1) continue;
    const bool own = y >= block.y0;
    for (int c = 0; c < channels; ++c) {
      T* r = ring.at(steps + 1, y, c);
      if (y - kSlots >= r0) {  // the slot holds another row, and beyond this row's spans it must be zero
        for (int64_t s = level.first[y - kSlots]; s < level.first[y - kSlots + 1]; ++s) {
          std::fill(r + level.spans[s].x0, r + level.spans[s].x1, T(0));
        }
      }
      const T* rows[3];
      for (int k = 0; k < 3; ++k) {
        const int i = std::min(h - 1, std::max(0, y - 1 + k));
        rows[k] = in_place || (i >= block.y0 && i < block.y1) ? pass.v.at(i, c) : ring.at(steps, i, c);
      }
      const double sum =
          residual_rows(level, block, y, c, r, rows[1], rows[0], rows[2], masks + (y & (kMaskSlots - 1)) * stride);
      if (own) pass.norms[int64_t(y) * channels + c] = sum;

      if (pass.residual == nullptr) continue;
      // An odd row completes the coarse row above it; so does a last, even row.
      const int centre = y % 2 ? y - 1 : y;
      if (centre < block.y0 || (y % 2 == 0 && y != h - 1)) continue;
      const T* above = centre > 0 ? ring.at(steps + 1, centre - 1, c) : zeros;
      const T* below = y % 2 ? r : zeros;
      restrict_spans(coarse, centre / 2, c, level.w, above, ring.at(steps + 1, centre, c), below,
                     T(y % 2 && y == h - 1 ? 1 : 0.5), {*pass.residual, pass.thin, pass.keep}, in_place && pass.zero_inside,
                     scratch, coarse_mask);
    }
  }
}

INPAINTX_CLONES void finest_block_f32(const FinestBlock<float>& block) { finest_block(block); }
INPAINTX_CLONES void finest_block_f64(const FinestBlock<double>& block) { finest_block(block); }
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