// Approximate nearest neighbor fields (Barnes et al. 2009), declared once for both backends.
//
// For each wanted target pixel, a source pixel whose `kernel_size` x `kernel_size` surroundings are similar: least mean
// squared difference over the part of the window that lies inside the target. Source and target lie channels last, so
// that a row of a window is one run of memory; acc_t is float or double, in which differences are summed. Candidates
// are the source pixels whose whole window lies inside the source and is valid.
//
// The CPU passes over an image in raster order and back, an image a unit of work. CUDA jumps by 8, 4, 2 and 1 pixels
// instead, all pixels at once, from one field to another. Draws are a function of seed, round and pixel, so either
// gives the same result at every run; the two differ from each other.
#pragma once

#include <cstdint>

#include "common/stream.h"

namespace inpaintx::patchmatch {

template <typename acc_t>
// acc_t is float, or double where source or target is. Arrays are contiguous and the caller's; nnf and cost are written
// in whole, -1 and infinity where no match is wanted or an image has no candidate.
//   cost        mean squared difference a pixel of the window, summed over the channels
//   iterations  rounds of propagation and random search; with 0 the first guess is what comes out
//   seed        of the draws
struct Search {
  const acc_t* source;  // [batch, source_height, source_width, channels]
  const acc_t* target;  // [batch, height, width, channels]
  const bool* valid;    // [batch, source_height, source_width], true = may be copied from
  const bool* where;    // [batch, height, width], true = wanted; null: all
  int32_t* nnf;         // [batch, height, width, 2] row and column; in: a first guess, -1 where there is none
  float* cost;          // [batch, height, width]
  int64_t batch, channels, height, width, source_height, source_width;
  int64_t kernel_size, iterations, seed;
  bool* flags = nullptr;            // CUDA: [batch, source_height, source_width], true = candidate
  const int64_t* counts = nullptr;  // CUDA: the same shape, candidates up to here within the image
  int64_t strip = 0;                // CPU: rows that are searched on their own, for threads to share; 0: all
};

namespace cpu {
template <typename acc_t>
void search(const Search<acc_t>&);
}

namespace cuda {
template <typename acc_t>
// Two calls, for the count of candidates between them is a running sum of torch's.
void find_candidates(const Search<acc_t>&, Stream);  // writes flags
// other_nnf: as nnf; best: [batch, height, width]. Both are scratch: passes read one field and write the other, four a
// round, so that an even number of them ends in nnf.
template <typename acc_t>
void search(const Search<acc_t>&, int32_t* other_nnf, acc_t* best, Stream);
}  // namespace cuda

}  // namespace inpaintx::patchmatch
