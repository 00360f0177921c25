#pragma once

#include <cstdint>

namespace inpaintx::spd_map {

struct Map {
  const bool* hole;  // [batch, height, width]
  float* map;        // [batch, height, width]
  int64_t batch, height, width;
  int64_t n, radius;
  double k;      // hard: ring i has the value k^-i
  bool freeze;   // improved: assign a pixel once, when it is first reached
  void* stream;  // CUDA's; null on the CPU
};

namespace cpu {
void hard(const Map&);
void improved(const Map&);
}  // namespace cpu

namespace cuda {
// scratch: [batch, height, width] int32 (hard) or float (improved)
void hard(const Map&, int32_t* scratch);
void improved(const Map&, float* scratch);
}  // namespace cuda

}  // namespace inpaintx::spd_map
