// The kernels of kernels.h on tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include "partial_conv/convolution.h"

namespace inpaintx::partial_conv {

// A tensor like x for what does not outlive the call. What PyTorch would have to fault in comes from kept memory;
// smaller tensors lie in what was used a moment ago.
at::Tensor scratch_like(const at::Tensor& x);

// x with its hidden pixels set to 0, written to `out`, which is returned. All in one layout; out may be x.
at::Tensor apply_mask(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& out);

// ratio [B,1,Ho,Wo] float32 (float64 for float64) and new_mask [B,1,Ho,Wo] in the mask's dtype. With `masked` (float
// planes on the CPU) apply_mask is done on the way: a mask of many channels is read once.
struct RatioAndMask {
  at::Tensor ratio, new_mask;
};
RatioAndMask mask_ratio(const Convolution& c, const at::Tensor& masked = {});

// y = ratio > 0 ? y * ratio + bias : 0, in place.
void rescale(const at::Tensor& y, const at::Tensor& ratio, const at::Tensor& bias);

// out = grad_output * ratio. Returns the bias's gradient in the ratio's dtype where `with_bias`, else undefined.
at::Tensor scale_gradient(const at::Tensor& grad_output, const at::Tensor& ratio, const at::Tensor& out,
                          bool with_bias);

}  // namespace inpaintx::partial_conv
