// What the op and the prepared solver share: checks, and a loop over a batch's images.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>

#include "poisson/cpu/solver.h"

namespace inpaintx::poisson {

// Solver of image b's mask. May be called from several threads at once.
using SolverOf = std::function<std::shared_ptr<const Solver>(int64_t b)>;

Parameters parameters(const char* op, double tol, std::optional<int64_t> max_iter);
void check_images(const char* op, const at::Tensor& fill, const at::Tensor& image);
// 1 where mask > 0.5, contiguous bytes 0 and 1 that the caller's tensor does not share
at::Tensor hole_bytes(const at::Tensor& mask);

at::Tensor blend_batch(const SolverOf& solver, const at::Tensor& fill, const at::Tensor& image, const Parameters& p,
                       SolveInfo& worst);
// -> gradients of fill and image
std::tuple<at::Tensor, at::Tensor> adjoint_batch(const SolverOf& solver, const at::Tensor& grad, const Parameters& p);

}  // namespace inpaintx::poisson
