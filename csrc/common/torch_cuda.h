// The caller's stream, as kernels.h wants it. torch_cuda.cpp is the one place that touches c10/cuda.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>

namespace inpaintx {

// The current cudaStream_t of the tensor's device; defined in CUDA builds only.
void* current_stream(const at::Tensor& tensor);

}  // namespace inpaintx
