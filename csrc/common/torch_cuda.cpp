#include "common/torch_cuda.h"

#if defined(INPAINTX_EMULATE_CUDA)
namespace inpaintx {

void* current_stream(const at::Tensor&) { return nullptr; }

}  // namespace inpaintx
#elif defined(INPAINTX_WITH_CUDA)
#include <c10/cuda/CUDAStream.h>

namespace inpaintx {

void* current_stream(const at::Tensor& tensor) { return c10::cuda::getCurrentCUDAStream(tensor.get_device()).stream(); }

}  // namespace inpaintx
#endif
