// What the op and the prepared solver share: checks, and a loop over a batch's images.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>

#include "poisson/cpu/solver.h"

namespace inpaintx::poisson {

// Solver of image b's mask. May be called from several threads at once, and is called once for each image.
using SolverOf = std::function<std::shared_ptr<const Solver>(int64_t b)>;

// The options of a call, checked; ValueError that begins with `op` where they do not fit, as in check_images.
Parameters parameters(const char* op, double tol, std::optional<int64_t> max_iter);
void check_images(const char* op, const at::Tensor& fill, const at::Tensor& image);
// 1 where mask > 0.5, contiguous bytes 0 and 1 that the caller's tensor does not share
at::Tensor hole_bytes(const at::Tensor& mask);

//   solver       of each image
//   fill, image  [B,C,H,W], floating, any strides and dtypes; float64 where either is, else float32 is computed in
//   worst        receives the most cycles and the largest residual of the images
// Returns [B,C,H,W] in the image's dtype, contiguous.
at::Tensor blend_batch(const SolverOf& solver, const at::Tensor& fill, const at::Tensor& image, const Parameters& p,
                       SolveInfo& worst);
// grad [B,C,H,W] -> gradients of fill and image, in its dtype, contiguous.
std::tuple<at::Tensor, at::Tensor> adjoint_batch(const SolverOf& solver, const at::Tensor& grad, const Parameters& p);

}  // namespace inpaintx::poisson
