// What the ops that fill an image share: the check of image and mask, and the hole as bytes. Glue, not for kernels.
// Errors are ValueErrors: "<op>: <argument> must ..., got ...".
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ne.h>
#include <c10/util/Exception.h>

namespace inpaintx {

// Above a half, as contiguous bytes 0 and 1 of their own. A bool tensor may hold other bytes (uint8 0 and 255 seen as
// bool), which compiled code must not read as bool, and its owner may write to it later.
inline at::Tensor binary(const at::Tensor& mask) {
  return (mask.scalar_type() == at::kBool ? mask.view(at::kByte).ne(0) : mask.gt(0.5)).contiguous();
}

}  // namespace inpaintx

namespace inpaintx::ops {

inline void check_image_mask(const char* op, const at::Tensor& image, const at::Tensor& mask) {
  TORCH_CHECK_VALUE(image.dim() == 4 && image.numel() > 0, op,
                    ": image must have shape [B,C,H,W] and not be empty, got ", image.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(image.scalar_type()), op, ": image must be floating point, got ",
                    image.scalar_type());
  TORCH_CHECK_VALUE(mask.dim() == 4 && (mask.size(0) == image.size(0) || mask.size(0) == 1) && mask.size(1) == 1 &&
                        mask.size(2) == image.size(2) && mask.size(3) == image.size(3),
                    op, ": mask must have shape [", image.size(0), ",1,", image.size(2), ",", image.size(3),
                    "] (1 = hole), got ", mask.sizes());
  TORCH_CHECK_VALUE(!mask.is_complex(), op, ": mask must be real or bool, got ", mask.scalar_type());
  TORCH_CHECK_VALUE(mask.device() == image.device(), op, ": mask must be on the device of image, ", image.device(),
                    ", got ", mask.device());
}

// [B,1,H,W] bool, contiguous.
inline at::Tensor hole_of(const at::Tensor& image, const at::Tensor& mask) {
  return binary(mask).expand({image.size(0), 1, image.size(2), image.size(3)}).contiguous();
}

// For ops whose search would go astray: a value that is no number is refused, but for those under the hole.
inline void check_finite(const char* op, const char* name, const at::Tensor& x, const at::Tensor& hidden) {
  TORCH_CHECK_VALUE(at::isfinite(x).logical_or_(hidden).all().item<bool>(), op, ": ", name,
                    " has NaN or infinite values at known pixels; mark them as hole, or mend them first");
}

}  // namespace inpaintx::ops
