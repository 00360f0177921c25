#include "poisson/grid/hierarchy.h"

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
// Sizes of a grid, and its mask, all zero: rows -1 and h stay so, and neighbors there count as known.
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

// Cuts row y into spans. `kind` tells of a chunk whether it is visited and how. Uniform stretches that are shorter than
// `shortest` join their mixed neighbors, and these each other: neighbors in one call are cheaper than calls. A uniform
// stretch in a mixed span is right as well, since its coefficients are stored there.
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

// Spans of all rows, in one list. Blocks of 64 rows are cut side by side, and their parts are joined in order: the list
// is the same whoever made them.
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
  for (const Span& span : level.spans) level.pixels += span.x1 - span.x0;
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

// The finest grid's spans cover the boundary as well: known pixels next to the hole carry the data.
// Uniform spans have no known pixel next to them.
void cut_finest(Level& level, const uint8_t* deep) {
  cut_rows(level, [&](int y, std::vector<Span>& spans) {
    const uint8_t *up = level.mask_row(y - 1), *m = level.mask_row(y), *down = level.mask_row(y + 1);
    const uint8_t* row = deep + y * level.stride;
    cut_row(level.w, kFineChunk, kUniformFinest, spans, [&](int x) {
      uint64_t active = m[x - 1] | m[x + kFineChunk];
      for (const int at : {x, x + kChunk}) active |= chunk_of(up + at) | chunk_of(m + at) | chunk_of(down + at);
      if (!active) return kNone;
      return (chunk_of(row + x) & chunk_of(row + x + kChunk)) == kAllOnes ? kUniform : kMixed;
    });
  });
}

// A coarse grid's spans cover its unknowns, and each mixed one gets its place among the coefficients.
void cut_coarse(Level& level, const uint8_t* deep) {
  cut_rows(level, [&](int y, std::vector<Span>& spans) {
    cut_row(level.w, kChunk, kUniformCoarse, spans, [&](int x) {
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

// From fine to coarse. `deep` follows along: a coarse pixel whose nine fine rows are all uniform has a uniform row
// itself, so a byte a pixel tells where nothing need be stored, before any coefficient is computed.
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
  cut_finest(levels[0], deep);

  Stencil stencil{4, -1, 0};
  while (levels.size() == 1 || int64_t(levels.back().h) * levels.back().w > kDense) {
    levels.emplace_back();
    const Level& fine = levels[levels.size() - 2];
    Level& level = levels.back();
    shape(level, (fine.h + 1) / 2, (fine.w + 1) / 2);
    for (int y = 0; y < level.h; ++y) every_second(fine.mask_row(2 * y), level.w, level.mask_row(y));
    uniform = erode(fine, deep, level, 2);
    deep = uniform.as<uint8_t>() + level.stride + kPad;
    cut_coarse(level, deep);
    stencil = coarsen(stencil);
    level.edge = -stencil.edge / stencil.centre;
    level.corner = -stencil.corner / stencil.centre;
    level.inverse = 1 / stencil.centre;
    if (levels.size() == 2)
      fill_from_mask(fine, level);
    else
      fill_coefficients(fine, level);
  }
  factorise(levels.back(), unknowns, factor);
}

size_t Level::bytes() const {
  return mask.bytes() + mask_halves.bytes() + coef.bytes() + spans.size() * sizeof(Span) +
         first.size() * sizeof(int64_t);
}

size_t Hierarchy::bytes() const {
  size_t sum = factor.size() * sizeof(double) + unknowns.size() * sizeof(int32_t);
  for (const Level& level : levels) sum += level.bytes();
  return sum;
}

}  // namespace inpaintx::poisson
