// Where a CUDA kernel is queued, as kernels.h has it without torch's or CUDA's headers. The last argument of every
// function in a `cuda` namespace; those of `cpu` take none.
#pragma once

namespace inpaintx {

struct Stream {
  void* handle = nullptr;  // the caller's current cudaStream_t
};

}  // namespace inpaintx
