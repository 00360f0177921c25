#pragma once

#include <cstdint>

namespace inpaintx::spd_map {

// mask_t is bool or float, 1 = hole (above 0.5)
template <typename mask_t>
struct Map {
  const mask_t* mask;  // [batch, height, width]
  float* map;          // [batch, height, width]
  int64_t batch, height, width;
  int64_t n, radius;
  double k;      // hard: ring i has the value k^-i
  bool freeze;   // improved: assign a pixel once, when it is first reached
  void* stream;  // CUDA's; null on the CPU
};

namespace cpu {
template <typename mask_t>
void hard(const Map<mask_t>&);
template <typename mask_t>
void improved(const Map<mask_t>&);
}  // namespace cpu

namespace cuda {
// scratch: [batch, height, width] int32 (hard) or float (improved)
template <typename mask_t>
void hard(const Map<mask_t>&, int32_t* scratch);
template <typename mask_t>
void improved(const Map<mask_t>&, float* scratch);
}  // namespace cuda

}  // namespace inpaintx::spd_map
