// The coarse grids: stored coefficients, always in float32, for they only correct. A double solve gains its digits on
// the photo's grid, cycle by cycle.
//
// Order of loops: levels from fine to coarse and back (solve_level); in each, blocks of rows are shared by the threads;
// in a block, rows, and at each row as many pending steps as its neighbors allow; in a row, spans, with all channels of
// a pixel at once where coefficients are stored (they are the larger part of what is read).
#include "poisson/cpu/cycle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/isa.h"
#include "common/parallel.h"
#include "poisson/cpu/blocks.h"
#include "poisson/cpu/damping.h"

namespace inpaintx::poisson {
namespace {

// Restricts rows 2 y - 1 .. 2 y + 1 of `from` into row y of `to`.
INPAINTX_INLINE void restrict_spans(const Level& fine, const Rows<float>& from, const Level& level, int y,
                                    const float* zeros, const Rows<float>& to, int32_t* m, float* lines) {
  const uint8_t* unknown = level.mask_row(y);
  const int last = level.w - 1, channels = from.channels;
  const float weight = 2 * y + 2 == fine.h ? 1.f : 0.5f;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = span.x1 - x;
    const auto above = [&](int c) { return (y > 0 ? from.at(2 * y - 1, c) : zeros) + 2 * x; };
    const auto here = [&](int c) { return from.at(2 * y, c) + 2 * x; };
    const auto below = [&](int c) { return (2 * y + 1 < fine.h ? from.at(2 * y + 1, c) : zeros) + 2 * x; };
    widen(unknown + x, m, n);
    for (int c = 0; c < channels; ++c) add_rows(above(c), here(c), below(c), weight, lines + c * fine.stride, n);
    for (int c = 0; c < channels; ++c) {
      float* row = to.at(y, c) + x;
      gather_line(row, lines + c * fine.stride, m, n);
      if (fine.w % 2 == 0 && last >= x && last < x + n && unknown[last]) {  // its outer neighbor has no other
        const int i = 2 * (last - x) + 1;
        row[last - x] += 0.5f * (here(c)[i] + (0.5f * above(c)[i] + weight * below(c)[i]));
      }
    }
  }
}

INPAINTX_CLONES void restrict_block(const Level& fine, const Rows<float>& from, const Level& coarse,
                                    const Rows<float>& to, int y0, int y1) {
  Workspace memory((2 + from.channels) * fine.stride * sizeof(float));
  float *zeros = memory.as<float>() + kPad, *lines = memory.as<float>() + 2 * fine.stride;
  int32_t* m = reinterpret_cast<int32_t*>(memory.as<float>() + fine.stride);
  for (int y = y0; y < y1; ++y) restrict_spans(fine, from, coarse, y, zeros, to, m, lines);
}

// A block of rows [y0, y1) of `level` on the way up: value = smoothed (old + P coarse). Rows next to the block are
// computed in the ring as well, one less on each side with each step, and not written.
struct ProlongationBlock {
  const Level *level, *below;
  const Rows<float>* old;  // null: zero
  Rows<float> value, rhs, coarse;
  std::span<const float> omega;
  int y0, y1;
};

// Row of a coarse grid from the row itself, the one above and the one below.
template <int kChannels, bool kResidual>
INPAINTX_INLINE void row9(const Level& level, int y, float* out, const float* v, const float* up, const float* down,
                          const float* rhs, float omega) {
  const int64_t jump = level.stride;
  for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
    const Span& span = level.spans[s];
    const int x = span.x0, n = span.x1 - x;
    if (span.uniform()) {
      row9_uniform<kChannels, kResidual>(out + x, v + x, up + x, down + x, rhs + x, jump, level, omega, n);
    } else {
      const float* coef = level.coef.as<float>() + span.coef;
      row9_mixed<kChannels, kResidual>(out + x, v + x, up + x, down + x, rhs + x, jump, coef, omega, n);
    }
  }
}

// What a span starts from: the interpolated values, on top of the old ones if there are any; zero at known pixels.
INPAINTX_INLINE void add_span(float* out, const float* old, const float* line, const float* coef, int n) {
  for (int j = 0; j < n; j += kChunk) {
    float sum[kChunk];
#pragma omp simd simdlen(8)
    for (int k = 0; k < kChunk; ++k) sum[k] = old ? old[j + k] + line[j + k] : line[j + k];
    const float* inverse = coef ? coef + 9 * j + 4 * kChunk : nullptr;
#pragma omp simd simdlen(8)
    for (int k = 0; k < kChunk; ++k) out[j + k] = !inverse || inverse[k] > 0 ? sum[k] : 0.f;
  }
}

template <int kChannels>
// Row t gets its start (step 0) while row t - k takes step k, from the last block's halo above to the one below. Step k
// is computed on `steps` - k rows beyond the block on either side, just as many as the following steps need.
INPAINTX_INLINE void prolongate_and_smooth(const ProlongationBlock& b) {
  constexpr int channels = kChannels;
  const Level& level = *b.level;
  const int h = level.h, steps = b.omega.size();
  const int64_t stride = level.stride;
  Workspace memory((int64_t(steps) * kSlots * channels + 1) * stride * sizeof(float));
  const Ring<float> ring{memory.as<float>(), stride, channels};
  float* line = ring.data + int64_t(steps) * kSlots * channels * stride;

  for (int t = std::max(0, b.y0 - steps); t < b.y1 + steps; ++t) {
    for (int k = 0; k <= steps; ++k) {
      const int y = t - k;
      if (y < std::max(0, b.y0 - (steps - k)) || y >= std::min(h, b.y1 + (steps - k)) || level.empty(y)) continue;
      float* out = k == steps ? b.value.at(y, 0) : ring.at(k, y, 0);
      if (k > 0) {
        const float *v = ring.at(k - 1, y, 0), *up = ring.at(k - 1, std::max(0, y - 1), 0);
        const float* down = ring.at(k - 1, std::min(h - 1, y + 1), 0);
        row9<kChannels, false>(level, y, out, v, up, down, b.rhs.at(y, 0), b.omega[k - 1]);
      }
      for (int64_t s = level.first[y]; k == 0 && s < level.first[y + 1]; ++s) {
        const Span& span = level.spans[s];
        const int x = span.x0, n = span.x1 - x;
        const float* coef = span.uniform() ? nullptr : level.coef.as<float>() + span.coef;
        for (int c = 0; c < channels; ++c) {
          interpolate(b.coarse, b.below->h, y, c, span, line);
          add_span(out + c * stride + x, b.old ? b.old->at(y, c) + x : nullptr, line, coef, n);
        }
      }
      for (int c = 0; c < channels && k == steps; ++c) mirror_ends(out + c * stride, level.w);
    }
  }
}

INPAINTX_CLONES void prolongate_block(const ProlongationBlock& b) {
  switch (b.value.channels) {
    case 1:
      return prolongate_and_smooth<1>(b);
    case 2:
      return prolongate_and_smooth<2>(b);
    case 3:
      return prolongate_and_smooth<3>(b);
    default:
      return prolongate_and_smooth<4>(b);
  }
}

template <int kChannels>
// out = rhs - A value, for the second visit.
INPAINTX_INLINE void residuals(const Level& level, const Rows<float>& value, const Rows<float>& rhs,
                               const Rows<float>& out, int y0, int y1) {
  for (int y = y0; y < y1; ++y) {
    row9<kChannels, true>(level, y, out.at(y, 0), value.at(y, 0), value.at(std::max(0, y - 1), 0),
                          value.at(std::min(level.h - 1, y + 1), 0), rhs.at(y, 0), 0.f);
  }
}

INPAINTX_CLONES void residual_block(const Level& level, const Rows<float>& value, const Rows<float>& rhs,
                                    const Rows<float>& out, int y0, int y1) {
  switch (value.channels) {
    case 1:
      return residuals<1>(level, value, rhs, out, y0, y1);
    case 2:
      return residuals<2>(level, value, rhs, out, y0, y1);
    case 3:
      return residuals<3>(level, value, rhs, out, y0, y1);
    default:
      return residuals<4>(level, value, rhs, out, y0, y1);
  }
}

// Forwards by rows, backwards by columns: both read the factor along its rows.
INPAINTX_CLONES void substitute(const double* factor, int n, double* x) {
  for (int i = 0; i < n; ++i) {
    const double* row = factor + size_t(i) * n;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < i; ++j) sum += row[j] * x[j];
    x[i] = (x[i] - sum) / row[i];
  }
  for (int i = n - 1; i >= 0; --i) {
    const double* row = factor + size_t(i) * n;
    const double value = x[i] /= row[i];
#pragma omp simd
    for (int j = 0; j < i; ++j) x[j] -= row[j] * value;
  }
}

void solve_directly(const Hierarchy& hierarchy, const Rows<float>& rhs, const Rows<float>& value) {
  const Level& level = hierarchy.levels.back();
  const int n = hierarchy.unknowns.size();
  std::vector<double> x(n);
  for (int c = 0; c < value.channels; ++c) {
    for (int i = 0; i < n; ++i) x[i] = rhs.at(hierarchy.unknowns[i] / level.w, c)[hierarchy.unknowns[i] % level.w];
    substitute(hierarchy.factor.data(), n, x.data());
    for (int i = 0; i < n; ++i) {
      value.at(hierarchy.unknowns[i] / level.w, c)[hierarchy.unknowns[i] % level.w] = float(x[i]);
    }
    for (int y = 0; y < level.h; ++y) mirror_ends(value.at(y, c), level.w);
  }
}

void clear(const Workspace& memory) {
  parallel_for(0, memory.bytes(), 1 << 18,
               [&](int64_t begin, int64_t end) { std::memset(memory.as<char>() + begin, 0, end - begin); });
}

}  // namespace

CoarseArrays::CoarseArrays(const Hierarchy& hierarchy, int channels) : value(1), rhs(1), spare(1), residual(1) {
  const int last = hierarchy.levels.size() - 1;
  for (int l = 1; l <= last; ++l) {
    const Level& level = hierarchy.levels[l];
    const bool twice = l == kTwice && l < last;
    for (auto* rows : {&value, &rhs, &spare, &residual}) {
      const bool needed = twice || rows == &value || rows == &rhs;
      memory_.emplace_back(needed ? Rows<float>::bytes_for(level, channels) : 0, false);
      rows->emplace_back(memory_.back(), level, channels);
      clear(memory_.back());
    }
  }
}

size_t CoarseArrays::bytes() const {
  size_t sum = 0;
  for (const Workspace& array : memory_) sum += array.bytes();
  return sum;
}

// rhs[l] in, value[l] out.
static void solve_level(const Hierarchy& hierarchy, CoarseArrays& arrays, int l) {
  const int coarsest = hierarchy.levels.size() - 1, channels = arrays.value[1].channels;
  if (l == coarsest) return solve_directly(hierarchy, arrays.rhs[l], arrays.value[l]);
  const Level &level = hierarchy.levels[l], &below = hierarchy.levels[l + 1];
  const int visits = l == kTwice ? 2 : 1, blocks = blocks_for(level, channels);
  const auto over_level = [&](const auto& block) {
    over_blocks(level.h, blocks, [&](int y0, int y1, int) { block(y0, y1); });
  };
  for (int visit = 0; visit < visits; ++visit) {
    if (visit > 0) {
      std::swap(arrays.value[l], arrays.spare[l]);
      over_level(
          [&](int y0, int y1) { residual_block(level, arrays.spare[l], arrays.rhs[l], arrays.residual[l], y0, y1); });
    }
    const auto& from = visit > 0 ? arrays.residual[l] : arrays.rhs[l];
    over_blocks(below.h, blocks,
                [&](int y0, int y1, int) { restrict_block(level, from, below, arrays.rhs[l + 1], y0, y1); });
    solve_level(hierarchy, arrays, l + 1);
    over_level([&](int y0, int y1) {
      prolongate_block({&level, &below, visit > 0 ? &arrays.spare[l] : nullptr, arrays.value[l], arrays.rhs[l],
                        arrays.value[l + 1], coarse_factors(l, visit, level.h == 1 || level.w == 1), y0, y1});
    });
  }
}

void solve_coarse(const Hierarchy& hierarchy, CoarseArrays& arrays) { solve_level(hierarchy, arrays, 1); }

}  // namespace inpaintx::poisson
