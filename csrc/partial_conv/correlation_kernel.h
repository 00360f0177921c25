// The correlation of correlation.h for one instruction set. Included in a namespace of its own that defines kLanes, the
// floats of a vector, and kMost, how many pairs of vectors fit the registers beside what is added to them.
// Sources are gathered into a tile [row][channel][column % step][column / step], so that neighbouring results read
// neighbouring floats whatever the step. A block is what the registers sum up: kCount channels of as many rows of kWide
// results as fill two vectors (by rows: planes), or two vectors of channels of kCount results (channels_last).
//
// No std:: containers: instantiations merged across the instruction sets' namespaces could fault on older processors.
#include "partial_conv/correlation_plan.h"
#include "partial_conv/correlation_vectors.h"

// One tile's sources. A tile is gathered once and then serves all results' channels: so hiding, rescaling and the split
// by stride cost one pass over x, whatever the number of taps and channels.
struct Tile {
  const Correlation& c;
  const Plan& p;
  Scratch& scratch;
  int64_t first = 0, end = 0;  // the columns of a tile's sources that lie inside

  int32_t* known_of(int64_t v) const { return scratch.known.data() + v * (p.seen[1] + 1); }

  // The sources from (top, left); and of each row, how many pixels before each column have a factor.
  void gather(int64_t b, int64_t top, int64_t left) {
    const Planes& from = c.from;
    const Factors& factors = c.source_factors;
    const int64_t step = c.step[1], line = step * p.pitch;
    first = std::clamp<int64_t>(-left, 0, p.seen[1]);
    end = std::clamp<int64_t>(from.width - left, first, p.seen[1]);
    const int64_t above = std::clamp<int64_t>(-top, 0, p.seen[0]);
    const int64_t below = std::clamp<int64_t>(from.height - top, above, p.seen[0]);
    std::fill_n(scratch.known.data(), p.seen[0] * (p.seen[1] + 1), 0);
    std::fill_n(scratch.source.data(), above * p.row, 0.0f);
    std::fill_n(scratch.source.data() + below * p.row, (p.seen[0] - below) * p.row, 0.0f);

    const auto split_factors = [&](int64_t v, int64_t ch, float* to) {
      const float* f = factors.row(b, ch, top + v, left + first, end - first, 1, scratch.straight.data()) - first;
      count(v, [f](int64_t u) { return f[u] > 0.0f; });
      for (int64_t rest = 0; rest < step; ++rest) {
        split(f, to + rest * p.pitch, rest, [](float factor, int64_t, int64_t) { return factor; });
      }
    };
    float* f = scratch.factors.data();
    if (from.channels_last) {
      for (int64_t v = above; v < below; ++v) {
        for (int64_t ch = 0; ch < factors.channels; ++ch) split_factors(v, ch, f + ch * line);
        for (int64_t rest = 0; rest < step; ++rest) {
          gather_pixels(c.source + from.at(b, 0, top + v, left + rest), f + rest * p.pitch,
                        factors.channels > 1 ? line : 0, scratch.source.data() + v * p.row + rest * p.pitch, rest);
        }
      }
    } else {
      const bool many = factors.channels > 1;
      for (int64_t v = above; v < below && !many; ++v) split_factors(v, 0, f + v * line);
      for (int64_t ch = 0; ch < from.channels; ++ch) {  // plane by plane, as they lie; the next one is asked for
        for (int64_t v = above; v < below; ++v) {
          const float* x = c.source + from.at(b, ch, top + v, left);
          float* to = scratch.source.data() + v * p.row + ch * line;
          const int64_t next = first + (ch + 1 < from.channels ? from.height * from.width : 0);
          prefetch(x + next, end - first);
          if (many && factors.soft) {
            hide(v, x, factors.soft + factors.at(b, ch, top + v, left), next, to);
          } else if (many) {
            hide(v, x, factors.hard + factors.at(b, ch, top + v, left), next, to);
          } else {
            for (int64_t rest = 0; rest < step; ++rest, to += p.pitch) {
              const float* row = f + v * line + rest * p.pitch;
              split(x, to, rest,
                    [row](float value, int64_t k, int64_t) { return row[k] > 0.0f ? value * row[k] : 0.0f; });
            }
          }
        }
      }
    }
    for (int64_t v = above; v < below; ++v) {
      int32_t* known = known_of(v);
      for (int64_t u = 0; u < p.seen[1]; ++u) known[u + 1] += known[u];
    }
  }

  // A row of a plane by a mask of its own.
  template <typename mask_t>
  void hide(int64_t v, const float* x, const mask_t* mask, int64_t next, float* to) const {
    prefetch(mask + next, end - first);
    count(v, [mask](int64_t u) { return !is_hole(mask[u]); });
    for (int64_t rest = 0; rest < c.step[1]; ++rest, to += p.pitch) {
      split(x, to, rest, [mask](float value, int64_t, int64_t u) { return is_hole(mask[u]) ? 0.0f : value; });
    }
  }

  template <typename F>
  void count(int64_t v, const F& is_known) const {
    int32_t* known = known_of(v) + 1;
#pragma omp simd
    for (int64_t u = first; u < end; ++u) known[u] |= is_known(u);
  }

  static int64_t up(int64_t above, int64_t step) { return above <= 0 ? 0 : (above + step - 1) / step; }

  // to[k] = f(from[u], k, u) for the columns u = rest + k * step that lie inside, 0 for the others
  template <typename F>
  void split(const float* from, float* to, int64_t rest, const F& f) const {
    const int64_t step = c.step[1], begin = up(first - rest, step), stop = up(end - rest, step);
    std::fill_n(to, begin, 0.0f);
    if (step == 1) {  // a step that the compiler knows, or the loop stays scalar
#pragma omp simd
      for (int64_t k = begin; k < stop; ++k) to[k] = f(from[k], k, k);
    } else if (step == 2) {
#pragma omp simd
      for (int64_t k = begin; k < stop; ++k) to[k] = f(from[rest + 2 * k], k, rest + 2 * k);
    } else {
      for (int64_t k = begin; k < stop; ++k) to[k] = f(from[rest + k * step], k, rest + k * step);
    }
    std::fill_n(to + stop, p.pitch - stop, 0.0f);
  }

  // A row's pixels k, which lie at x + k * step * channels, to [channel][k].
  void gather_pixels(const float* x, const float* f, int64_t factor_line, float* to, int64_t rest) const {
    const int64_t channels = c.from.channels, apart = c.step[1] * channels, line = c.step[1] * p.pitch;
    const int64_t begin = up(first - rest, c.step[1]), stop = up(end - rest, c.step[1]);
    for (int64_t ch = 0; ch < channels; ++ch) {
      std::fill_n(to + ch * line, begin, 0.0f);
      std::fill_n(to + ch * line + stop, p.pitch - stop, 0.0f);
    }
    for (int64_t k = begin; k < stop; k += kLanes) {
      const int64_t some = std::min(kLanes, stop - k);
      int64_t ch = 0;
      for (; some == kLanes && ch + kLanes <= channels; ch += kLanes) {
        Vector v[kLanes];
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) v[i] = load(x + (k + i) * apart + ch);
        transpose(v);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) {
          store(to + (ch + i) * line + k, scaled(v[i], load(f + (ch + i) * factor_line + k), Vector{}));
        }
      }
      for (; ch < channels; ++ch) {
        const float* factor = f + ch * factor_line;
        for (int64_t i = k; i < k + some; ++i) {
          to[ch * line + i] = factor[i] > 0.0f ? x[i * apart + ch] * factor[i] : 0.0f;
        }
      }
    }
  }
};

// kPatch: results in a row of a block by rows, else 0.
template <int64_t kPatch, int kCount>
struct Worker : Tile {
  static constexpr bool kByRows = kPatch > 0;
  static constexpr int64_t kHigh = kByRows ? 2 * kLanes / kPatch : 1, kWide = kByRows ? kPatch : kCount;
  static constexpr int64_t kWidth = kByRows ? kCount : 2 * kLanes;

  void tile(int64_t b, int64_t top, int64_t left) {
    gather(b, top * c.step[0] + p.least[0], left * c.step[1] + p.least[1]);
    for (const Phase& phase : c.phases) {
      correlate(phase, b, top, left, std::min(p.rows, phase.rows - top), std::min(p.columns, phase.columns - left));
    }
  }

  // Appends the taps that show a known pixel to any of a block's results.
  ActiveTap* list_taps(const Phase& phase, int64_t row, int64_t column, ActiveTap* to) const {
    const int64_t step = c.step[1];
    int64_t panel = 0;
    for (const auto& tap : phase.taps) {
      const int64_t y = row * c.step[0] + tap.shift[0] - p.least[0], x = column * step + tap.shift[1] - p.least[1];
      const int64_t end = std::min(x + (kWide - 1) * step + 1, p.seen[1]);
      bool any = false;
      for (int64_t r = 0; r < kHigh && y + r * c.step[0] < p.seen[0]; ++r) {
        const int32_t* known = known_of(y + r * c.step[0]);
        any |= known[end] > known[x];
      }
      if (any) *to++ = {y * p.row + x % step * p.pitch + x / step, panel};
      panel += c.from.channels * kWidth;
    }
    return to;
  }

  // Whether any of a row of a block's results is asked for.
  bool wanted(const Phase& phase, int64_t b, int64_t y, int64_t x, int64_t columns) const {
    float values[kWide];
    const float* f = c.result_factors.row(b, 0, y * c.spread[0] + phase.first[0], x * c.spread[1] + phase.first[1],
                                          columns, c.spread[1], values);
    bool any = c.result_factors.channels > 1;
    for (int64_t u = 0; u < columns; ++u) any |= f[u] > 0.0f;
    return any;
  }

  // The results of one phase in one tile. First all blocks are looked at: those with a result to sum get their list of
  // taps, the others become runs of zeros. Then for each panel of results' channels, in the order in which its weights
  // lie: the sums of one block after the other. Order of sums in one result: tap, then source's channel; no cut of the
  // work changes it.
  void correlate(const Phase& phase, int64_t b, int64_t top, int64_t left, int64_t rows, int64_t columns) const {
    Block* last = scratch.blocks.data();
    Run* skipped = scratch.skipped.data();
    ActiveTap* taps = scratch.taps.data();
    for (int64_t row = 0; row < rows; row += kHigh) {
      for (int64_t column = 0; column < columns; column += kWide) {
        const int64_t high = std::min(kHigh, rows - row), wide = std::min(kWide, columns - column);
        bool any = false;
        for (int64_t r = row; r < row + high; ++r) any = any || wanted(phase, b, top + r, left + column, wide);
        if (any) {
          taps = list_taps(phase, row, column, taps);
          *last++ = {row, column, taps - scratch.taps.data()};
        } else if (column > 0 && skipped > scratch.skipped.data() && skipped[-1].end == column &&
                   skipped[-1].row == row) {
          skipped[-1].end += wide;
        } else {
          *skipped++ = {row, high, column, column + wide};
        }
      }
    }
    const float* weight = phase.weight.data();
    const int64_t blocks = last - scratch.blocks.data(), runs = skipped - scratch.skipped.data();
    for (int64_t channel = 0; channel < c.to.channels; channel += kWidth) {
      // zeros are written bit by bit, and find their way to memory while blocks are summed up
      const int64_t planes = c.to.channels_last ? channel == 0 : std::min(kWidth, c.to.channels - channel);
      int64_t cleared = 0;
      const auto clear_to = [&](int64_t end) {
        for (; cleared < end; ++cleared) {
          clear(phase, b, channel + cleared % planes, top, left, scratch.skipped[cleared / planes]);
        }
      };
      if (blocks == 0) clear_to(planes * runs);
      const ActiveTap* tap = scratch.taps.data();
      for (const Block* block = scratch.blocks.data(); block < last; ++block) {
        clear_to(planes * runs * (block - scratch.blocks.data() + 1) / blocks);
        const ActiveTap* end = scratch.taps.data() + block->taps;
        Vector sum[kCount][2];
        accumulate(tap, end, weight, sum);
        tap = end;
        if constexpr (kByRows) {
          for (int64_t r = 0; r < std::min(kHigh, rows - block->row); ++r) {
            write_row(phase, b, channel, top + block->row + r, left + block->column,
                      std::min(kPatch, columns - block->column), r, sum);
          }
        } else {
          write_pixels(phase, b, channel, top + block->row, left + block->column,
                       std::min<int64_t>(kCount, columns - block->column), sum);
        }
      }
      weight += static_cast<int64_t>(phase.taps.size()) * c.from.channels * kWidth;
    }
  }

  // Zero where nothing is asked for: of a plane, or of all channels.
  void clear(const Phase& phase, int64_t b, int64_t channel, int64_t top, int64_t left, const Run& run) const {
    const int64_t together = c.to.channels_last ? c.to.channels : 1;
    const int64_t x = (left + run.column) * c.spread[1] + phase.first[1], columns = run.end - run.column;
    for (int64_t r = 0; r < run.rows; ++r) {
      const int64_t y = (top + run.row + r) * c.spread[0] + phase.first[0];
      float* to = c.result + c.to.at(b, channel, y, x);
      if (c.spread[1] == 1) {
        std::fill_n(to, columns * together, 0.0f);
      } else if (together == 1) {
        for (int64_t u = 0; u < columns; ++u) to[u * c.spread[1]] = 0.0f;
      } else {
        for (int64_t u = 0; u < columns; ++u) std::fill_n(to + u * c.spread[1] * together, together, 0.0f);
      }
    }
  }

  // The innermost loop, where the time goes: kCount * 2 vectors of sums that never leave the registers. `one` is
  // broadcast: by rows a weight, by pixels a source.
  void accumulate(const ActiveTap* tap, const ActiveTap* end, const float* weight, Vector (&result)[kCount][2]) const {
    Vector sum[kCount][2] = {};
    const int64_t channels = c.from.channels, line = c.step[1] * p.pitch;
    const int64_t jump = c.step[0] * p.row;
    for (; tap != end; ++tap) {
      const float* x = scratch.source.data() + tap->source;
      const float* w = weight + tap->weight;
      for (int64_t ch = 0; ch < channels; ++ch, x += line, w += kWidth) {
        const float* one = kByRows ? w : x;
        Vector v0, v1;
        if constexpr (kByRows) {
          v0 = load_rows<kPatch>(x, jump), v1 = load_rows<kPatch>(x + kHigh / 2 * jump, jump);
        } else {
          v0 = load(w), v1 = load(w + kLanes);
        }
#pragma GCC unroll 16
        for (int i = 0; i < kCount; ++i) {
          sum[i][0] += one[i] * v0;
          sum[i][1] += one[i] * v1;
        }
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) {
      result[i][0] = sum[i][0];
      result[i][1] = sum[i][1];
    }
  }

  // A block by rows: results (y, x .. x + columns - 1) of kCount planes, rescaled and shifted on the way out.
  void write_row(const Phase& phase, int64_t b, int64_t channel, int64_t y, int64_t x, int64_t columns, int64_t r,
                 const Vector (&sum)[kCount][2]) const {
    const int64_t row = y * c.spread[0] + phase.first[0], left = x * c.spread[1] + phase.first[1];
    const int64_t apart = c.spread[1] * c.to.pixel_step(), plane = c.to.at(0, 1, 0, 0);
    const int64_t channels = std::min<int64_t>(kCount, c.to.channels - channel);
    const bool many = c.result_factors.channels > 1, whole = columns == kPatch && apart == 1;
    float values[kPatch];
    const float* factors = c.result_factors.row(b, channel, row, left, columns, c.spread[1], values);
    float* to = c.result + c.to.at(b, channel, row, left);
    for (int64_t i = 0; i < channels; ++i, to += plane) {
      if (many) factors = c.result_factors.row(b, channel + i, row, left, columns, c.spread[1], values);
      const float bias = c.bias ? c.bias[channel + i] : 0.0f;
      const float* value = reinterpret_cast<const float*>(&sum[i]) + r * kPatch;
      if (whole) {
        store<kPatch>(to, scaled(load<kPatch>(value), load<kPatch>(factors), typename Floats<kPatch>::Type{} + bias));
        continue;
      }
      for (int64_t u = 0; u < columns; ++u) to[u * apart] = factors[u] > 0.0f ? value[u] * factors[u] + bias : 0.0f;
    }
  }

  // A block by pixels: kWidth channels of `columns` results.
  void write_pixels(const Phase& phase, int64_t b, int64_t channel, int64_t y, int64_t x, int64_t columns,
                    const Vector (&sum)[kCount][2]) const {
    const int64_t row = y * c.spread[0] + phase.first[0], left = x * c.spread[1] + phase.first[1];
    const int64_t apart = c.spread[1] * c.to.channels, channels = std::min(kWidth, c.to.channels - channel);
    float values[kCount];
    float* to = c.result + c.to.at(b, channel, row, left);
    if (c.result_factors.channels == 1 && channels == kWidth) {
      const float* factors = c.result_factors.row(b, 0, row, left, columns, c.spread[1], values);
      const Vector bias[2] = {c.bias ? load(c.bias + channel) : Vector{},
                              c.bias ? load(c.bias + channel + kLanes) : Vector{}};
      for (int64_t i = 0; i < columns; ++i, to += apart) {
        const bool any = factors[i] > 0.0f;
        store(to, any ? sum[i][0] * factors[i] + bias[0] : Vector{});
        store(to + kLanes, any ? sum[i][1] * factors[i] + bias[1] : Vector{});
      }
      return;
    }
    for (int64_t ch = 0; ch < channels; ++ch) {
      const float* factors = c.result_factors.row(b, channel + ch, row, left, columns, c.spread[1], values);
      const float bias = c.bias ? c.bias[channel + ch] : 0.0f;
      for (int64_t i = 0; i < columns; ++i) {
        const float value = sum[i][ch / kLanes][ch % kLanes];
        to[i * apart + ch] = factors[i] > 0.0f ? value * factors[i] + bias : 0.0f;
      }
    }
  }
};

template <int64_t kPatch, int kCount = kMost>
void tiles_counted(const Correlation& c, const Plan& p, int64_t begin, int64_t end, Scratch& scratch) {
  if constexpr (kCount > 1) {
    if (p.count < kCount) return tiles_counted<kPatch, kCount - 1>(c, p, begin, end, scratch);
  }
  Worker<kPatch, kCount> worker{{c, p, scratch}};
  for (int64_t i = begin; i < end; ++i) {
    worker.tile(i / (p.down * p.across), i / p.across % p.down * p.rows, i % p.across * p.columns);
  }
}

inline void tiles(const Correlation& c, const Plan& p, int64_t begin, int64_t end, Scratch& scratch) {
  if (p.wide == 0) return tiles_counted<0>(c, p, begin, end, scratch);
  p.wide == kLanes ? tiles_counted<kLanes>(c, p, begin, end, scratch)
                   : tiles_counted<kNarrow>(c, p, begin, end, scratch);
}
