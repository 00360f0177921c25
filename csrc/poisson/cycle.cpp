#include "poisson/cycle.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "common/simd.h"
#include "poisson/rows.h"

namespace inpaintx::poisson {
namespace {

constexpr int kSlots = 4;      // rows that a stage keeps: three that the next one reads and the one being written
constexpr int kMostSteps = 6;  // so that eight widened mask rows outlive the last stage
constexpr int kMaskSlots = 8;
constexpr int kTwiceFrom = 2, kTwiceTo = 3;  // coarse grids visited twice
constexpr int64_t kSmall = 1 << 14;          // values; below, one thread is faster

int blocks_for(const Level& level, int channels) {
  if (level.pixels * channels < kSmall || at::in_parallel_region()) return 1;
  return std::max(1, std::min(at::get_num_threads(), level.h / 16));
}

// Block b of n; blocks start at even rows, where coarse rows lie.
int block_start(int h, int b, int n) { return b == n ? h : int(int64_t(h) * b / n) / 2 * 2; }

template <class Block>
void over_blocks(int h, int blocks, const Block& block) {
  if (blocks == 1) return block(0, h, 0);
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int b = begin; b < end; ++b) block(block_start(h, b, blocks), block_start(h, b + 1, blocks), b);
  });
}

// Rows of the stages in flight: slot y mod 4 of stage k.
template <class T>
struct Ring {
  T* data;
  int64_t stride;
  int channels;
  T* at(int stage, int y, int c) const {
    return data + ((int64_t(stage) * kSlots + (y & (kSlots - 1))) * channels + c) * stride + kPad;
  }
};

// Beyond the photo's edge a pixel stands in for its missing neighbour.
template <class T>
POISSON_INLINE void mirror_ends(T* row, int w) {
  row[-1] = row[0];
  row[w] = row[w - 1];
}

// Line of interpolated values for the pixels of a span of row y.
POISSON_INLINE void interpolate(const Rows<float>& coarse, int coarse_h, int y, int c, const Span& span, float* line,
                                float* scratch) {
  const float* a = coarse.at(y / 2, c) + span.x0 / 2;
  const float* b = y % 2 == 1 && y / 2 + 1 < coarse_h ? coarse.at(y / 2 + 1, c) + span.x0 / 2 : nullptr;
  interpolate_row(line, scratch, a, b, (span.x1 - span.x0) / 2);
}

// Restricts three rows into row y of `out`, whose grid is `level`. `fine_w`: width of the rows' grid.
template <class T>
POISSON_INLINE void restrict_spans(const Level& level, int y, int c, int fine_w, const T* above, const T* here,
                                   const T* below, T weight, const Rows<float>& out, bool zero_inside, T* sum,
                                   int32_t* m) {
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = span.x1 - x;
    float* row = out.at(y, c);
    if (zero_inside && span.coef == kUniform) {
      std::fill_n(row + x, n, 0.f);
      continue;
    }
    widen(level.mask_row(y) + x, m, n);
    restrict_row(row + x, sum + kPad, above + 2 * x, here + 2 * x, below + 2 * x, weight, m, n);
    const int last = level.w - 1;
    if (fine_w % 2 == 0 && last >= x && last < x + n && level.mask_row(y)[last]) {
      row[last] += float(T(0.5) * sum[kPad + 2 * (last - x) + 1]);  // its outer neighbour has no other
    }
  }
}

// ---- finest grid
// -----------------------------------------------------------------------------------------------------

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
    if (rhs)
      relax_row5<T, true, true>(out + x, v + x, up + x, down + x, m + x, rhs + x, omega, n);
    else if (span.coef == kUniform)
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
    if (block.pass->coarse == nullptr && block.pass->zero_inside && span.coef == kUniform) continue;  // zero
    if (rhs)
      sum += residual_row5<T, true, true>(out + x, v + x, up + x, down + x, m + x, rhs + x, n);
    else if (span.coef == kUniform)
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
          if (span.coef != kUniform || pass.rhs) widen(level.mask_row(y) + span.x0, m + span.x0, span.x1 - span.x0);
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
          interpolate(*pass.coarse, coarse.h, y, c, span, line, mean);
          if (pass.zero_inside && span.coef == kUniform) {
            set_row(out + x, line, n);
            continue;
          }
          if (y + 1 < block.y1) prefetch_row(old + stride * channels + x, n);
          if (span.coef == kUniform)
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

      // An odd row completes the coarse row above it; so does a last, even row.
      const int centre = y % 2 ? y - 1 : y;
      if (centre < block.y0 || (y % 2 == 0 && y != h - 1)) continue;
      const T* above = centre > 0 ? ring.at(steps + 1, centre - 1, c) : zeros;
      const T* below = y % 2 ? r : zeros;
      restrict_spans(coarse, centre / 2, c, level.w, above, ring.at(steps + 1, centre, c), below,
                     T(y % 2 && y == h - 1 ? 1 : 0.5), *pass.residual, in_place && pass.zero_inside, scratch,
                     coarse_mask);
    }
  }
}

INPAINTX_CLONES void finest_block_f32(const FinestBlock<float>& block) { finest_block(block); }
INPAINTX_CLONES void finest_block_f64(const FinestBlock<double>& block) { finest_block(block); }
void run(const FinestBlock<float>& block) { finest_block_f32(block); }
void run(const FinestBlock<double>& block) { finest_block_f64(block); }

// ---- coarse grids
// ----------------------------------------------------------------------------------------------------

INPAINTX_CLONES void restrict_block(const Level& fine, const Rows<float>& from, const Level& coarse,
                                    const Rows<float>& to, int y0, int y1) {
  Zeroed memory(4 * fine.stride * sizeof(float));
  float *sum = memory.as<float>(), *zeros = sum + 2 * fine.stride + kPad;
  int32_t* m = reinterpret_cast<int32_t*>(sum + fine.stride);
  for (int y = y0; y < y1; ++y) {
    for (int c = 0; c < to.channels && !coarse.empty(y); ++c) {
      const float* above = y > 0 ? from.at(2 * y - 1, c) : zeros;
      const float* below = 2 * y + 1 < fine.h ? from.at(2 * y + 1, c) : zeros;
      restrict_spans(coarse, y, c, fine.w, above, from.at(2 * y, c), below, 2 * y + 2 == fine.h ? 1.f : 0.5f, to, false,
                     sum, m);
    }
  }
}

struct ClimbBlock {
  const Level *level, *below;
  const Rows<float>* old;  // null: zero
  Rows<float> value, rhs, coarse;
  const std::vector<float>* omega;
  int y0, y1;
};

// Row of a coarse grid from the row itself, the one above and the one below.
template <bool kResidual>
POISSON_INLINE void row9_spans(const Level& level, int y, float* out, const float* v, const float* up,
                               const float* down, const float* rhs, float omega) {
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = (span.x1 - x) & ~(kChunk - 1);
    if (span.coef == kUniform) {
      row9<kResidual>(out + x, v + x, up + x, down + x, rhs + x, level, omega, n);
    } else {
      const float* coef = level.coef.as<float>() + span.coef;
      row9<kResidual>(out + x, v + x, up + x, down + x, rhs + x, coef, omega, n);
    }
  }
}

INPAINTX_CLONES void climb_block(const ClimbBlock& b) {
  const Level& level = *b.level;
  const int h = level.h, channels = b.value.channels, steps = b.omega->size();
  const int64_t stride = level.stride;
  Zeroed memory((int64_t(steps) * kSlots * channels + 2) * stride * sizeof(float));
  const Ring<float> ring{memory.as<float>(), stride, channels};
  float *line = ring.data + int64_t(steps) * kSlots * channels * stride, *mean = line + stride;

  for (int t = std::max(0, b.y0 - steps); t < b.y1 + steps; ++t) {
    for (int k = 0; k <= steps; ++k) {
      const int y = t - k;
      if (y < std::max(0, b.y0 - (steps - k)) || y >= std::min(h, b.y1 + (steps - k)) || level.empty(y)) continue;
      for (int c = 0; c < channels; ++c) {
        float* out = k == steps ? b.value.at(y, c) : ring.at(k, y, c);
        if (k > 0) {
          const float *v = ring.at(k - 1, y, c), *up = ring.at(k - 1, std::max(0, y - 1), c);
          const float* down = ring.at(k - 1, std::min(h - 1, y + 1), c);
          row9_spans<false>(level, y, out, v, up, down, b.rhs.at(y, c), (*b.omega)[k - 1]);
        }
        for (int64_t s = level.first[y]; k == 0 && s < level.first[y + 1]; ++s) {
          const Span& span = level.spans[s];
          const int x = span.x0, n = (span.x1 - x) & ~(kChunk - 1);
          interpolate(b.coarse, b.below->h, y, c, span, line, mean);
          const uint8_t* m = level.mask_row(y) + x;
          if (b.old) {
            const float* old = b.old->at(y, c) + x;
#pragma omp simd
            for (int i = 0; i < n; ++i) out[x + i] = m[i] ? old[i] + line[i] : 0.f;
          } else {
#pragma omp simd
            for (int i = 0; i < n; ++i) out[x + i] = m[i] ? line[i] : 0.f;
          }
        }
        mirror_ends(out, level.w);
      }
    }
  }
}

INPAINTX_CLONES void residual_block(const Level& level, const Rows<float>& value, const Rows<float>& rhs,
                                    const Rows<float>& out, int y0, int y1) {
  for (int y = y0; y < y1; ++y) {
    for (int c = 0; c < value.channels; ++c) {
      row9_spans<true>(level, y, out.at(y, c), value.at(y, c), value.at(std::max(0, y - 1), c),
                       value.at(std::min(level.h - 1, y + 1), c), rhs.at(y, c), 0.f);
    }
  }
}

void solve_directly(const Hierarchy& hierarchy, const Rows<float>& rhs, const Rows<float>& value) {
  const Level& level = hierarchy.levels.back();
  const int n = hierarchy.unknowns.size();
  const double* factor = hierarchy.factor.data();
  std::vector<double> x(n);
  for (int c = 0; c < value.channels; ++c) {
    for (int i = 0; i < n; ++i) {
      double sum = rhs.at(hierarchy.unknowns[i] / level.w, c)[hierarchy.unknowns[i] % level.w];
      for (int j = 0; j < i; ++j) sum -= factor[size_t(i) * n + j] * x[j];
      x[i] = sum / factor[size_t(i) * n + i];
    }
    for (int i = n - 1; i >= 0; --i) {
      for (int j = i + 1; j < n; ++j) x[i] -= factor[size_t(j) * n + i] * x[j];
      x[i] /= factor[size_t(i) * n + i];
      value.at(hierarchy.unknowns[i] / level.w, c)[hierarchy.unknowns[i] % level.w] = float(x[i]);
    }
    for (int y = 0; y < level.h; ++y) mirror_ends(value.at(y, c), level.w);
  }
}

}  // namespace

std::vector<float> chebyshev(int steps, double low, double high) {
  std::vector<float> omega(std::min(steps, kMostSteps));
  for (size_t k = 0; k < omega.size(); ++k) {
    const double node = std::cos(std::acos(-1.) * (2 * k + 1) / (2 * omega.size()));
    omega[k] = float(1 / ((high + low) / 2 + (high - low) / 2 * node));
  }
  return omega;
}

CoarseArrays::CoarseArrays(const Hierarchy& hierarchy, int channels) : value(1), rhs(1), spare(1), residual(1) {
  const int last = hierarchy.levels.size() - 1;
  for (int l = 1; l <= last; ++l) {
    const Level& level = hierarchy.levels[l];
    const bool twice = l >= kTwiceFrom && l <= kTwiceTo && l < last;
    for (auto* rows : {&value, &rhs, &spare, &residual}) {
      const bool needed = twice || rows == &value || rows == &rhs;
      memory_.emplace_back(needed ? Rows<float>::bytes_for(level, channels) : 0);
      rows->emplace_back(memory_.back(), level, channels);
    }
  }
}

size_t CoarseArrays::bytes() const {
  size_t sum = 0;
  for (const Zeroed& array : memory_) sum += array.bytes();
  return sum;
}

// rhs[l] in, value[l] out
static void solve_level(const Hierarchy& hierarchy, CoarseArrays& arrays, const std::vector<float>& omega, int l) {
  const int last = hierarchy.levels.size() - 1, channels = arrays.value[1].channels;
  if (l == last) return solve_directly(hierarchy, arrays.rhs[l], arrays.value[l]);
  const Level &level = hierarchy.levels[l], &below = hierarchy.levels[l + 1];
  const int visits = l >= kTwiceFrom && l <= kTwiceTo ? 2 : 1, blocks = blocks_for(level, channels);
  for (int visit = 0; visit < visits; ++visit) {
    if (visit > 0) {
      std::swap(arrays.value[l], arrays.spare[l]);
      over_blocks(level.h, blocks, [&](int y0, int y1, int) {
        residual_block(level, arrays.spare[l], arrays.rhs[l], arrays.residual[l], y0, y1);
      });
    }
    over_blocks(below.h, blocks_for(below, channels), [&](int y0, int y1, int) {
      const auto& from = visit > 0 ? arrays.residual[l] : arrays.rhs[l];
      restrict_block(level, from, below, arrays.rhs[l + 1], y0, y1);
    });
    solve_level(hierarchy, arrays, omega, l + 1);
    over_blocks(level.h, blocks, [&](int y0, int y1, int) {
      climb_block({&level, &below, visit > 0 ? &arrays.spare[l] : nullptr, arrays.value[l], arrays.rhs[l],
                   arrays.value[l + 1], &omega, y0, y1});
    });
  }
}

void solve_coarse(const Hierarchy& hierarchy, CoarseArrays& arrays, const std::vector<float>& omega) {
  solve_level(hierarchy, arrays, omega, 1);
}

template <class T>
void finest_pass(const FinestPass<T>& pass) {
  const Level& level = pass.hierarchy->levels[0];
  const int h = level.h, blocks = blocks_for(level, pass.v.channels), halo = pass.omega.size() + 2;
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
