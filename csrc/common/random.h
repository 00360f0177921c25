// Counter-based random numbers: a pure function of what is drawn for, so that no order of work and no number of threads
// changes a draw, and CPU and CUDA draw alike. There is no state to seed, to carry or to guard.
#pragma once

#include <cstdint>

#include "common/inline.h"

namespace inpaintx {

// Bijective mixing of 64 bits (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
INPAINTX_HD uint64_t mix(uint64_t v) {
  v ^= v >> 30;
  v *= 0xbf58476d1ce4e5b9ULL;
  v ^= v >> 27;
  v *= 0x94d049bb133111ebULL;
  return v ^ (v >> 31);
}

// 32 random bits for draw k of pixel (y, x) in round `iter`.
INPAINTX_HD uint32_t random_bits(int64_t seed, int64_t iter, int64_t y, int64_t x, int64_t k) {
  constexpr uint64_t golden = 0x9e3779b97f4a7c15ULL;
  uint64_t v = mix(static_cast<uint64_t>(seed) + golden);
  v = mix(v + static_cast<uint64_t>(iter) + golden);
  v = mix(v + (static_cast<uint64_t>(y) << 32 | static_cast<uint64_t>(x)) + golden);
  return static_cast<uint32_t>(mix(v + static_cast<uint64_t>(k) + golden) >> 32);
}

// A number from 0 to n-1, n < 2^31.
INPAINTX_HD int64_t below(uint32_t bits, int64_t n) {
  return static_cast<int64_t>(static_cast<uint64_t>(bits) * static_cast<uint64_t>(n) >> 32);
}

}  // namespace inpaintx
