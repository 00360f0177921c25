#pragma once

#include <ATen/core/Tensor.h>

namespace inpaintx {

// Contiguous, or channels_last where only that fits: with one channel or one pixel both do.
inline at::MemoryFormat layout_of(const at::Tensor& x) {
  const bool last = !x.is_contiguous() && x.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

}  // namespace inpaintx
