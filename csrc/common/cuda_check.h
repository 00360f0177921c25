// What .cu files share, without torch headers: errors of launches as exceptions that say where, the size of grids, and
// the loop over a grid.
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

// Threads of a block in every launch: eight warps, which fit any GPU even at 255 registers a thread. Shared arrays are
// sized by it, and the trees of sums need a power of two.
constexpr int kThreads = 256;

// Blocks of a grid-stride loop over `elements`.
// At most 2^16, which fills any GPU; the loop takes what is beyond.
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
