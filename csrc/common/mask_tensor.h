// A mask tensor as kernels read it: floats as they are (a hole above a half), everything else as bytes (not 0). Glue,
// not for kernels. A bool tensor's bytes may have any value (torch.uint8 seen as torch.bool), a C++ bool may not.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/gt.h>

#include <cstdint>

namespace inpaintx {

// float or bool, contiguous
inline at::Tensor readable_mask(const at::Tensor& mask) {
  const bool ready = mask.scalar_type() == at::kFloat || mask.scalar_type() == at::kBool;
  return (ready ? mask : mask.gt(0.5)).contiguous();
}

// float, 1 where a pixel is known, else 0: the factors of winograd.h
inline at::Tensor known_pixels(const at::Tensor& mask) { return mask.gt(0.5).logical_not_().to(at::kFloat); }

// kernel(mask_t{}): float or uint8_t, for the pointers below
template <typename F>
void dispatch_mask(const at::Tensor& readable, const F& kernel) {
  readable.scalar_type() == at::kFloat ? kernel(float{}) : kernel(uint8_t{});
}

template <typename mask_t>
const mask_t* mask_data(const at::Tensor& readable) {
  return static_cast<const mask_t*>(readable.const_data_ptr());
}
template <typename mask_t>
mask_t* mutable_mask_data(const at::Tensor& readable) {
  return static_cast<mask_t*>(readable.mutable_data_ptr());
}

}  // namespace inpaintx
