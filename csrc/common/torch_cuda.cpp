// The one place that touches c10/cuda; in emulated builds there are no streams.
#include "common/torch_cuda.h"

#if defined(INPAINTX_EMULATE_CUDA)
namespace inpaintx {

Stream current_stream(const at::Tensor&) { return {}; }
bool capturing() { return false; }

void Prepared::mark(const at::Tensor&) {}
void Prepared::use(std::initializer_list<at::Tensor>) const {}

}  // namespace inpaintx
#elif defined(INPAINTX_WITH_CUDA)
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAStream.h>

namespace inpaintx {

Stream current_stream(const at::Tensor& tensor) {
  return {c10::cuda::getCurrentCUDAStream(tensor.get_device()).stream()};
}

bool capturing() { return c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None; }

// An event recorded in a capture belongs to its graph: nobody outside could wait for it.
void Prepared::mark(const at::Tensor& written) {
  if (capturing()) return;
  done_ = std::make_unique<c10::Event>(written.device().type());
  done_->record(c10::cuda::getCurrentCUDAStream(written.get_device()).unwrap());
}

void Prepared::use(std::initializer_list<at::Tensor> memory) const {
  for (const at::Tensor& x : memory) {
    const c10::Stream stream = c10::cuda::getCurrentCUDAStream(x.get_device()).unwrap();
    if (done_ && !capturing()) done_->block(stream);  // a capture cannot wait for what came before it: it begins later
    x.record_stream(stream);
  }
}

}  // namespace inpaintx
#endif
