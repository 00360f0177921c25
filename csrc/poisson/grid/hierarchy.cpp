#include "poisson/grid/hierarchy.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>

#include "common/isa.h"
#include "common/parallel.h"
#include "poisson/grid/galerkin.h"

namespace inpaintx::poisson {
namespace {

constexpr int kDense = 64;  // pixels of the coarsest grid, at most: solved directly
constexpr int kUniformFinest = 64,
              kUniformCoarse = 24;  // pixels: shorter uniform stretches join their mixed neighbors
// Cells from the boundary to the interior: 16 pixels of the photo's grid, and 8 more of each next grid's own.
constexpr int kNearRows = 4, kNextRows = 2, kColumns = 1;
constexpr double kWorthwhile = 0.5;  // of the box interior: below, a grid stays whole, and so do those that follow it

void shape(Level& level, int h, int w) {
  level.h = h;
  level.w = w;
  // Spans may end up to a chunk beyond w, and twice a coarse span up to two.
  level.stride = (kPad + w + kChunk + 24 + 15) / 16 * 16;
  level.mask = Workspace((h + 2) * level.stride);
}

// out[x] = 1 where the 3x3 pixels around (step y, step x) are all 1.
INPAINTX_CLONES void erode_row(const uint8_t* above, const uint8_t* here, const uint8_t* below, int n, uint8_t* across,
                               int step, uint8_t* out) {
#pragma omp simd
  for (int x = -1; x <= step * n; ++x) across[x] = above[x] & here[x] & below[x];
  if (step == 1) {
#pragma omp simd
    for (int x = 0; x < n; ++x) out[x] = across[x - 1] & across[x] & across[x + 1];
  } else {
#pragma omp simd
    for (int x = 0; x < n; ++x) out[x] = across[2 * x - 1] & across[2 * x] & across[2 * x + 1];
  }
}

INPAINTX_CLONES void every_second(const uint8_t* from, int n, uint8_t* to) {
#pragma omp simd
  for (int x = 0; x < n; ++x) to[x] = from[2 * x];
}

void halve_mask(Level& level) {
  level.half = (kPad + level.w / 2 + kChunk + 1 + 15) / 16 * 16;
  level.mask_halves = Workspace(2 * (level.h + 2) * level.half + 64);  // what builds the first matrix reads beyond
  parallel_for(0, level.h, rows_per_task(level.w, 0.1), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int odd = 0; odd < 2; ++odd) {
        every_second(level.mask_row(y) + odd, (level.w + 1) / 2, level.mask_half(y, odd));
      }
    }
  });
}

// `deep` of the next grid: pixels whose row of the matrix is the uniform one. All nine rows that it is made of must be.
Workspace erode(const Level& from, const uint8_t* deep, const Level& to, int step) {
  Workspace out((to.h + 2) * to.stride);
  uint8_t* base = out.as<uint8_t>() + to.stride + kPad;
  parallel_for(0, to.h, rows_per_task(to.w, 0.2), [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> across(from.stride + 64);
    for (int64_t y = begin; y < end; ++y) {
      const uint8_t* row = deep + step * y * from.stride;
      erode_row(row - from.stride, row, row + from.stride, to.w, across.data() + kPad, step, base + y * to.stride);
    }
  });
  return out;
}

// How near the boundary each cell of a grid is, four rows of a chunk being a cell.
struct Cells {
  static constexpr int kRows = 4;
  int shift, h = 0, w = 0;    // a cell is 1 << shift pixels wide
  std::vector<uint8_t> near;  // 1 where the grid has unknowns of its own
  std::vector<uint8_t> kept;  // 1 there and in the belt around

  Cells(int height, int width, int chunk)
      : shift(chunk == kChunk ? 3 : 4), h((height + kRows - 1) / kRows), w((width + chunk - 1) / chunk), near(h * w) {}
  bool is_composite() const { return std::count(kept.begin(), kept.end(), 0) > kWorthwhile * double(kept.size()); }
  int at(int y, int x) const { return y / kRows * w + (x >> shift); }
};
static_assert(kChunk == 1 << 3 && kFineChunk == 1 << 4);

void add_marks(const uint8_t* __restrict from, int n, uint8_t* __restrict to) {
#pragma omp simd
  for (int x = 0; x < n; ++x) to[x] |= from[x];
}

// 1 wherever a cell at most `rows` and `columns` away is 1.
std::vector<uint8_t> dilate(const Cells& cells, const std::vector<uint8_t>& from, int rows, int columns) {
  const int h = cells.h, w = cells.w;
  std::vector<uint8_t> across(from.size()), out(from.size());
  for (int y = 0; y < h; ++y) {
    for (int d = -columns; d <= columns; ++d) {
      const int x = std::max(0, -d);
      add_marks(from.data() + y * w + x + d, w - std::abs(d), across.data() + y * w + x);
    }
  }
  for (int y = 0; y < h; ++y) {
    for (int other = std::max(0, y - rows); other <= std::min(h - 1, y + rows); ++other) {
      add_marks(across.data() + other * w, w, out.data() + y * w);
    }
  }
  return out;
}

// all[x] = 1 where `rows` rows of bytes are all 1.
INPAINTX_CLONES void all_of(const uint8_t* row, int64_t stride, int rows, int n, uint8_t* all) {
  const uint8_t *b = row + (rows > 1) * stride, *c = row + (rows > 2) * 2 * stride, *d = row + (rows > 3) * 3 * stride;
#pragma omp simd
  for (int x = 0; x < n; ++x) all[x] = row[x] & b[x] & c[x] & d[x];
}

// Marks cells that are not all ones. `first` is pixel (0, 0) of a plane of bytes like the level's mask.
void mark_broken(const Cells& cells, const Level& level, const uint8_t* first, std::vector<uint8_t>& marks) {
  static_assert(Cells::kRows == 4);
  parallel_for(0, cells.h, rows_per_task(level.w, 0.2), [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> all(cells.w << cells.shift);
    for (int64_t cell = begin; cell < end; ++cell) {
      const int64_t y = cell * Cells::kRows;
      all_of(first + y * level.stride, level.stride, std::min<int64_t>(level.h - y, Cells::kRows), all.size(),
             all.data());
      uint8_t* row = marks.data() + cell * cells.w;
      for (int x = 0; x < cells.w; ++x) {
        const uint8_t* pixels = all.data() + (x << cells.shift);
        const uint64_t word = chunk_of(pixels);
        row[x] |= (cells.shift == 3 ? word : word & chunk_of(pixels + kChunk)) != kAllOnes;
      }
    }
  });
}

// `near` is to be spread; the grid's own unknowns are also where its stencil is not the uniform one, as along the
// photo's edges.
void spread(Cells& cells, const Level& level, const uint8_t* deep, int rows) {
  cells.near = dilate(cells, cells.near, rows, kColumns);
  mark_broken(cells, level, deep, cells.near);
  cells.kept = dilate(cells, cells.near, 1, 1);
}

// Of the photo's grid: near cells are those that have a known pixel, and those around them.
Cells cells_of(const Level& level, const uint8_t* deep) {
  Cells cells(level.h, level.w, kFineChunk);
  mark_broken(cells, level, level.mask_row(0), cells.near);
  spread(cells, level, deep, kNearRows);
  return cells;
}

// Of the next grid: near cells are those that hold near ones of the finer grid, and those around them.
Cells coarsen(const Cells& fine, const Level& level, const uint8_t* deep) {
  Cells cells(level.h, level.w, kChunk);
  const int halving = 1 + cells.shift - fine.shift;
  for (int y = 0; y < fine.h; ++y) {
    for (int x = 0; x < fine.w; ++x) cells.near[y / 2 * cells.w + (x >> halving)] |= fine.near[y * fine.w + x];
  }
  spread(cells, level, deep, kNextRows);
  return cells;
}

// Unknown pixels of `level` with a near one of the finer grid at most two pixels away: all that can be reached from
// there by interpolation, the finer grid's equation, and interpolation's transpose.
void find_covered(const Cells& fine, Level& level) {
  level.covered = Workspace(level.mask.bytes(), false);
  const int step = 2 * kChunk >> fine.shift;  // cells that a chunk of this grid covers, the last perhaps beyond
  parallel_for(0, level.h, rows_per_task(level.w, 0.3), [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> padded(fine.w + 4);  // near cells of the rows that reach row y, from column -1 on
    for (int y = begin; y < end; ++y) {
      const int above = std::max(0, 2 * y - 2) / Cells::kRows, below = std::min(fine.h - 1, (2 * y + 2) / Cells::kRows);
      std::copy_n(fine.near.begin() + above * fine.w, fine.w, padded.begin() + 1);
      add_marks(fine.near.data() + below * fine.w, fine.w, padded.data() + 1);
      uint8_t* row = level.covered.as<uint8_t>() + (y + 1) * level.stride + kPad;
      for (int x = 0; x < level.w; x += kChunk) {
        const uint8_t *cell = padded.data() + step * (x / kChunk), left = cell[0], a = cell[1], b = cell[step];
        const uint8_t right = cell[step + 1], middle = a | b;
        const auto last = uint64_t(b | right) << 56;
        const uint64_t word =
            (left | a) + a * 0x010100ull + middle * 0x0101000000ull + b * 0x01010000000000ull + last;  // eight pixels
        const uint64_t reached = word & chunk_of(level.mask_row(y) + x);
        std::memcpy(row + x, &reached, sizeof reached);
      }
    }
  });
}

// Cuts row y into spans. `kind` tells of a chunk whether it is visited and how. Uniform stretches that are shorter than
// `shortest` join their mixed neighbors, and these each other: neighbors in one call are cheaper than calls.
constexpr int64_t kMixed = 0, kNone = 1;
template <class Kind>
void cut_row(int w, int chunk, int shortest, std::vector<Span>& spans, const Kind& kind) {
  const size_t start = spans.size();
  const int end = (w + chunk - 1) / chunk * chunk;
  for (int x = 0; x < end;) {
    int64_t of = kind(x);
    int stop = x + chunk;
    while (stop < end && of != kMixed && kind(stop) == of) stop += chunk;
    if (of == kUniform && stop - x < shortest) of = kMixed;
    if (of == kMixed && spans.size() > start && spans.back().x1 == x && spans.back().coef == kMixed)
      spans.back().x1 = stop;
    else if (of != kNone)
      spans.push_back({x, stop, of});
    x = stop;
  }
}

template <class Cut>
void cut_rows(Level& level, const Cut& cut) {
  const int block = 64, blocks = (level.h + block - 1) / block;
  std::vector<std::vector<Span>> parts(blocks);
  level.first.assign(level.h + 1, 0);
  parallel_for(0, blocks, rows_per_task(level.w, 0.5) / block + 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      for (int y = part * block; y < std::min<int64_t>(level.h, (part + 1) * block); ++y) {
        cut(y, parts[part]);
        level.first[y + 1] = parts[part].size();
      }
    }
  });
  for (int part = 0; part < blocks; ++part) {
    const int64_t before = level.spans.size();
    for (int y = part * block; y < std::min(level.h, (part + 1) * block); ++y) level.first[y + 1] += before;
    level.spans.insert(level.spans.end(), parts[part].begin(), parts[part].end());
  }
  for (const Span& span : level.spans) {
    level.pixels += span.x1 - span.x0;
    if (span.coef == kInterior) level.interior += span.x1 - span.x0;
  }
}

// The hole's box, a pixel wider where the photo has one: there it ends on known pixels, not on an edge of the photo.
bool find_box(const uint8_t* mask, int64_t height, int64_t width, int64_t (&box)[4]) {
  if (width == 0) return false;
  std::vector<int64_t> left(height), right(height);
  parallel_for(0, height, rows_per_task(width, 0.2), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const uint8_t* row = mask + y * width;
      const void* hit = std::memchr(row, 1, width);
      left[y] = hit ? static_cast<const uint8_t*>(hit) - row : width;
      int64_t x = hit ? width : 0;
      while (x > 0 && !row[x - 1]) --x;
      right[y] = x;
    }
  });
  box[0] = height, box[1] = 0, box[2] = width, box[3] = 0;
  for (int64_t y = 0; y < height; ++y) {
    if (left[y] == width) continue;
    box[0] = std::min(box[0], y), box[1] = y + 1;
    box[2] = std::min(box[2], left[y]), box[3] = std::max(box[3], right[y]);
  }
  if (box[1] == 0) return false;
  box[0] = std::max<int64_t>(0, box[0] - 1), box[1] = std::min(height, box[1] + 1);
  box[2] = std::max<int64_t>(0, box[2] - 1), box[3] = std::min(width, box[3] + 1);
  return true;
}

// What is not near is deep, and needs no look at its pixels. Without `cells` all is near.
bool is_near(const Cells* cells, int y, int x) { return !cells || cells->near[cells->at(y, x)]; }
int64_t kind_of_interior(const Cells* cells, int y, int x) { return cells->kept[cells->at(y, x)] ? kGhost : kInterior; }

// The finest grid's spans cover the boundary as well: known pixels next to the hole carry the data.
// Uniform spans have no known pixel next to them.
void cut_finest(Level& level, const uint8_t* deep, const Cells* cells) {
  cut_rows(level, [&](int y, std::vector<Span>& spans) {
    const uint8_t *up = level.mask_row(y - 1), *m = level.mask_row(y), *down = level.mask_row(y + 1);
    const uint8_t* row = deep + y * level.stride;
    cut_row(level.w, kFineChunk, kUniformFinest, spans, [&](int x) {
      if (!is_near(cells, y, x)) return kind_of_interior(cells, y, x);
      uint64_t active = m[x - 1] | m[x + kFineChunk];
      for (const int at : {x, x + kChunk}) active |= chunk_of(up + at) | chunk_of(m + at) | chunk_of(down + at);
      if (!active) return kNone;
      return (chunk_of(row + x) & chunk_of(row + x + kChunk)) == kAllOnes ? kUniform : kMixed;
    });
  });
}

void cut_coarse(Level& level, const uint8_t* deep, const Cells* cells) {
  cut_rows(level, [&](int y, std::vector<Span>& spans) {
    cut_row(level.w, kChunk, kUniformCoarse, spans, [&](int x) {
      if (!is_near(cells, y, x)) return kind_of_interior(cells, y, x);
      if (!chunk_of(level.mask_row(y) + x)) return kNone;
      return chunk_of(deep + y * level.stride + x) == kAllOnes ? kUniform : kMixed;
    });
  });
  int64_t size = 0;
  for (Span& span : level.spans) {
    if (span.uniform()) continue;
    span.coef = size;
    size += 9 * (span.x1 - span.x0);
  }
  level.coef = Workspace(size * sizeof(float), false);
}

}  // namespace

Hierarchy::Hierarchy(const uint8_t* mask, int64_t height_, int64_t width_) : height(height_), width(width_) {
  int64_t box[4];
  empty = !find_box(mask, height, width, box);
  singular = !empty && std::memchr(mask, 0, height * width) == nullptr;
  if (empty || singular) return;
  y0 = box[0], x0 = box[2];

  levels.emplace_back();
  shape(levels[0], box[1] - box[0], box[3] - box[2]);
  parallel_for(0, levels[0].h, rows_per_task(levels[0].w, 0.1), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      std::memcpy(levels[0].mask_row(y), mask + (y0 + y) * width + x0, levels[0].w);
    }
  });
  for (int y = 0; y < levels[0].h; ++y) {
    levels[0].open |= levels[0].mask_row(y)[0] || levels[0].mask_row(y)[levels[0].w - 1];
  }
  halve_mask(levels[0]);
  Workspace uniform = erode(levels[0], levels[0].mask_row(0), levels[0], 1);
  const uint8_t* deep = uniform.as<uint8_t>() + levels[0].stride + kPad;
  Cells cells = cells_of(levels[0], deep);
  bool composite = cells.is_composite();
  cut_finest(levels[0], deep, composite ? &cells : nullptr);

  Stencil stencil{4, -1, 0};
  while (levels.size() == 1 || int64_t(levels.back().h) * levels.back().w > kDense) {
    levels.emplace_back();
    const Level& fine = levels[levels.size() - 2];
    Level& level = levels.back();
    shape(level, (fine.h + 1) / 2, (fine.w + 1) / 2);
    for (int y = 0; y < level.h; ++y) every_second(fine.mask_row(2 * y), level.w, level.mask_row(y));
    uniform = erode(fine, deep, level, 2);
    deep = uniform.as<uint8_t>() + level.stride + kPad;
    if (composite) {
      find_covered(cells, level);
      cells = coarsen(cells, level, deep);
      composite = cells.is_composite();
    }
    cut_coarse(level, deep, composite ? &cells : nullptr);
    stencil = coarsen(stencil);
    level.edge = -stencil.edge / stencil.centre;
    level.corner = -stencil.corner / stencil.centre;
    level.inverse = 1 / stencil.centre;
    if (levels.size() == 2)
      fill_from_mask(fine, level);
    else
      fill_coefficients(fine, level);
  }
  TORCH_INTERNAL_ASSERT(levels[levels.size() - 2].interior == 0);  // the coarsest grid keeps no sum to interpolate from
  factorise(levels.back(), unknowns, factor);
}

size_t Level::bytes() const {
  return mask.bytes() + mask_halves.bytes() + covered.bytes() + coef.bytes() + spans.size() * sizeof(Span) +
         first.size() * sizeof(int64_t);
}

size_t Hierarchy::bytes() const {
  size_t sum = factor.size() * sizeof(double) + unknowns.size() * sizeof(int32_t);
  for (const Level& level : levels) sum += level.bytes();
  return sum;
}

}  // namespace inpaintx::poisson
