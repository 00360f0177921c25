// The caller's stream, as kernels.h wants it. torch_cuda.cpp is the one place that touches c10/cuda. Ops queue on
// torch's current stream and never wait for the device, so that they can be captured in a CUDA graph.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>

#include <initializer_list>
#include <memory>

#include "common/stream.h"

namespace inpaintx {

// Whether the kernels of cuda.cu serve this tensor. The emulation build sends every tensor there.
inline bool on_cuda(const at::Tensor& tensor) {
#if defined(INPAINTX_EMULATE_CUDA)
  return true;
#else
  return tensor.is_cuda();
#endif
}

// The current stream of the tensor's device; defined in CUDA builds only.
Stream current_stream(const at::Tensor& tensor);

// Whether the current stream records a CUDA graph; what is written then is there only after a replay.
bool capturing();

// Tensors that an object keeps: written on one stream, used on any. Call with the tensors' device current.
class Prepared {
 public:
  void mark(const at::Tensor& written);                      // all has been launched, on the current stream
  void use(std::initializer_list<at::Tensor> memory) const;  // the current stream waits for it and keeps the memory

 private:
  std::unique_ptr<c10::Event> done_;
};

}  // namespace inpaintx

// INPAINTX_LAUNCH(x, hog, histograms, args) calls hog::cuda::histograms(args, stream) or hog::cpu::histograms(args), by
// where the tensor x is.
#ifdef INPAINTX_WITH_CUDA
#define INPAINTX_LAUNCH(tensor, op, kernel, ...)                                                   \
  (::inpaintx::on_cuda(tensor) ? op::cuda::kernel(__VA_ARGS__, ::inpaintx::current_stream(tensor)) \
                               : op::cpu::kernel(__VA_ARGS__))
#else
#define INPAINTX_LAUNCH(tensor, op, kernel, ...) op::cpu::kernel(__VA_ARGS__)
#endif
