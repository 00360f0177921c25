#include "common/torch_cuda.h"

#ifdef INPAINTX_WITH_CUDA
#include <c10/cuda/CUDAStream.h>

namespace inpaintx {

void* current_stream(const at::Tensor& tensor) { return c10::cuda::getCurrentCUDAStream(tensor.get_device()).stream(); }

}  // namespace inpaintx
#endif
