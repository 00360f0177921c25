// Which of the two dense orders of an image tensor an op works in, contiguous [B,C,H,W] or channels_last [B,H,W,C] in
// memory. Glue, not for kernels.
#pragma once

#include <ATen/core/Tensor.h>

namespace inpaintx {

// Contiguous, or channels_last where only that fits: with one channel or one pixel both do.
inline at::MemoryFormat layout_of(const at::Tensor& x) {
  const bool last = !x.is_contiguous() && x.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  return last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

// That of a convolution of x by weight, as at::conv2d chooses it.
inline at::MemoryFormat layout_of(const at::Tensor& x, const at::Tensor& weight) {
  constexpr auto last = at::MemoryFormat::ChannelsLast;
  if (x.numel() == 0 || (x.is_cuda() && x.scalar_type() == at::kDouble)) return at::MemoryFormat::Contiguous;
  const bool any = x.suggest_memory_format() == last || weight.suggest_memory_format() == last;
  return any ? last : at::MemoryFormat::Contiguous;
}

}  // namespace inpaintx
