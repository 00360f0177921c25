// What one mask means to the solver: its grids, from the photo's down to a handful of unknowns.
//
// Coarsening is vertex-centered: coarse pixel (Y, X) sits on fine pixel (2Y, 2X) and is unknown exactly if that one is.
// Interpolation P is bilinear and zero at known pixels; coarse matrices are Galerkin products P^T A P with nine
// coefficients a pixel. Deep inside the hole these are the same everywhere and are not stored. Rows are cut into chunks
// of eight pixels; only chunks that matter stand in the list of spans and are ever visited.
//
// A hierarchy is made once, by the thread that has the mask, and is read only from then on: any number of solves may
// use it at the same time. What a solve writes lies in its own arrays (Rows, HalfRows below, CoarseArrays of cycle.h).
//
// Padding is part of every layout. Kernels read and write whole chunks, so a row has kPad elements before its first
// pixel and room for the last chunk after its last one: a stride is never the width, and code that takes a row from
// elsewhere has to copy it.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "common/allocator.h"

namespace inpaintx::poisson {

// Spans start and end at multiples of a chunk. On the photo's grid one is twice as long, for rows lie in halves there.
constexpr int kChunk = 8, kFineChunk = 2 * kChunk;
constexpr int kPad = 16;  // readable elements left of a row

// `coef` of a span whose pixels are all unknown, with the grid's one stencil.
constexpr int64_t kUniform = -1;

// Rows of width w that are worth a thread when each pixel costs about `cost` nanoseconds: 0.4 milliseconds, for what
// comes of asking another thread is uncertain, and a call has dozens of such loops.
inline int64_t rows_per_task(int64_t w, double cost) { return int64_t(4e5 / (cost * double(w + 1))) + 1; }

constexpr uint64_t kAllOnes = 0x0101010101010101ull;  // a chunk of bytes
inline uint64_t chunk_of(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

struct Span {
  int32_t x0, x1;  // [x0, x1)
  int64_t coef;    // kUniform; else mixed, on coarse grids the offset into the level's `coef`

  bool uniform() const { return coef == kUniform; }
};

// One grid. Level 0 is the photo's, cut to the hole's box; its equations are the mask's and need no coefficients, and
// its rows lie in halves. On the others every unknown pixel has an equation of nine coefficients,
//
//   v_p = inverse_p rhs_p + sum over the eight neighbors q of coef_pq v_q,   coef_pq = -a_pq / a_pp, inverse_p = 1 /
//   a_pp,
//
// stored so, divided by the diagonal, since that is how the smoothing step takes them.
struct Level {
  int h = 0, w = 0;
  int64_t stride = 0;                       // of a row of any array on this grid
  int64_t half = 0;                         // of half a row, on the photo's grid
  bool open = false;                        // a row of the photo's grid starts or ends unknown, at the photo's edge
  Workspace mask;                           // bytes, 1 = unknown, rows -1 .. h
  Workspace mask_halves;                    // the same as [h + 2][2][half], on the photo's grid
  std::vector<Span> spans;                  // finest grid: cover the hole and its boundary; coarse grids: the unknowns
  std::vector<int64_t> first;               // spans of row y: [first[y], first[y + 1])
  int64_t pixels = 0;                       // in the spans
  float edge = 0, corner = 0, inverse = 0;  // uniform stencil: -coefficient / diagonal, 1 / diagonal
  Workspace coef;  // of each chunk of a span 9 rows of kChunk floats; the fifth is 1 / diagonal (0 if known)

  uint8_t* mask_row(int y) const { return mask.as<uint8_t>() + (y + 1) * stride + kPad; }
  uint8_t* mask_half(int y, int odd) const { return mask_halves.as<uint8_t>() + (2 * (y + 1) + odd) * half + kPad; }
  bool empty(int y) const { return first[y] == first[y + 1]; }
  size_t bytes() const;
};

struct Hierarchy {
  // mask: [height, width] bytes, 0 or 1, 1 = hole.
  Hierarchy(const uint8_t* mask, int64_t height, int64_t width);

  int64_t height, width;
  bool empty = false;  // no hole: nothing to solve
  bool singular =
      false;           // no known pixel: no datum to solve for (a component without known neighbor is the whole photo)
  int y0 = 0, x0 = 0;  // where levels[0] lies in the photo: the hole's box and a pixel around it
  std::vector<Level> levels;

  // Cholesky factor (lower, row by row) of the coarsest matrix, and where its unknowns lie.
  std::vector<double> factor;
  std::vector<int32_t> unknowns;  // y * w + x

  size_t bytes() const;
};

// Array [h][channels][stride] on a level's grid: the channels of a row lie together, so that a row's spans, mask and
// coefficients are fetched once for all of them. A view; its memory is a Workspace that the maker keeps.
template <class T>
struct Rows {
  T* data = nullptr;  // element (0, 0, 0)
  int64_t stride = 0;
  int channels = 0;

  Rows() = default;
  Rows(const Workspace& memory, const Level& level, int count)
      : data(memory.as<T>() + kPad), stride(level.stride), channels(count) {}
  T* at(int y, int c) const { return data + (int64_t(y) * channels + c) * stride; }
  static size_t bytes_for(const Level& level, int count) { return sizeof(T) * level.h * count * level.stride; }
};

// Array [h][channels][2][half] on the photo's grid: a row's even columns, then its odd ones. A step on every second
// pixel thus works on whole vectors; so does the way to the next grid and back.
template <class T>
struct HalfRows {
  T* data = nullptr;  // element (0, 0, 0, 0)
  int64_t half = 0;
  int channels = 0;

  HalfRows() = default;
  HalfRows(const Workspace& memory, const Level& level, int count)
      : data(memory.as<T>() + kPad), half(level.half), channels(count) {}
  T* at(int y, int c, int odd) const { return data + ((int64_t(y) * channels + c) * 2 + odd) * half; }
  T& pixel(int y, int c, int x) const { return at(y, c, x & 1)[x >> 1]; }
  static size_t bytes_for(const Level& level, int count) { return sizeof(T) * level.h * count * 2 * level.half; }
};

}  // namespace inpaintx::poisson
