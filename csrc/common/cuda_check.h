// Errors of kernel launches, without torch headers: the text says which launch and where.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "common/stream.h"

#define INPAINTX_CUDA_CHECK(call)                                                                        \
  do {                                                                                                   \
    const cudaError_t error = (call);                                                                    \
    if (error != cudaSuccess) {                                                                          \
      throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error) + " at " __FILE__ ":" + \
                               std::to_string(__LINE__));                                                \
    }                                                                                                    \
  } while (0)

namespace inpaintx {

inline cudaStream_t cuda_stream(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

constexpr int kThreads = 256;

// Blocks of a grid-stride loop over `elements`.
inline unsigned blocks_for(int64_t elements, int threads = kThreads) {
  return static_cast<unsigned>(std::clamp<int64_t>((elements + threads - 1) / threads, 1, 1 << 16));
}

}  // namespace inpaintx

#if defined(__CUDACC__) || defined(INPAINTX_EMULATE_CUDA)
// for (each i below n): all threads of the grid share the work, whatever its size
#define INPAINTX_GRID_LOOP(i, n)                                                         \
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < (n); \
       i += static_cast<int64_t>(gridDim.x) * blockDim.x)
#endif
