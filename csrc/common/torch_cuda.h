// The caller's stream, as kernels.h wants it. torch_cuda.cpp is the one place that touches c10/cuda.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>

namespace inpaintx {

// Whether the kernels of cuda.cu serve this tensor. The emulation build sends every tensor there.
inline bool on_cuda(const at::Tensor& tensor) {
#if defined(INPAINTX_EMULATE_CUDA)
  return true;
#else
  return tensor.is_cuda();
#endif
}

// The current cudaStream_t of the tensor's device; defined in CUDA builds only.
void* current_stream(const at::Tensor& tensor);

}  // namespace inpaintx
