// Tensors whose memory is about to be written for the first time.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/work_memory.h"

namespace inpaintx {

constexpr size_t kFresh = size_t(30) << 20;  // tensors from here on come from pages that nobody touched

// The tensor, with large pages asked for where faulting it in would cost as much as filling it.
inline at::Tensor fresh(at::Tensor t) {
  if (t.is_cpu() && t.nbytes() >= kFresh) advise_large_pages(t.mutable_data_ptr(), t.nbytes());
  return t;
}

}  // namespace inpaintx
