// The blend on CUDA as tensors see it: many images, a mask each or one for all, in one sequence of launches.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>
#include <vector>

#include "common/torch_cuda.h"
#include "poisson/cpu/solver.h"

namespace inpaintx::poisson {

// Kinds of pixels and coarse stencils of a batch of masks, [M,1,H,W] bool, in such a precision: [M n] bytes, in one
// tensor, so that a graph of autograd can keep it (csrc/ops.h, poisson_hierarchy).
at::Tensor make_hierarchy(const at::Tensor& hole, at::ScalarType dtype);

// The coarse grids of a batch of masks, ready for many images.
class DeviceBatch {
 public:
  DeviceBatch(at::Tensor hierarchy, at::IntArrayRef masks);

  // For a batch that is kept: its preparation ends on the current stream; the current stream will use it, and what it
  // was made of.
  void mark() { prepared_.mark(hierarchy_); }
  void use(const at::Tensor& hole) const { prepared_.use({hierarchy_, hole}); }

  at::Tensor blend(const at::Tensor& fill, const at::Tensor& image, const Parameters& p) const;
  std::tuple<at::Tensor, at::Tensor> adjoint(const at::Tensor& grad, const Parameters& p) const;

  int64_t cycles(const Parameters& p) const;  // how many are launched; the device ends a plane that is done before
  at::ScalarType dtype() const { return dtype_; }
  size_t bytes() const { return hierarchy_.nbytes(); }

 private:
  std::vector<int64_t> shape_;
  at::Tensor hierarchy_;
  at::ScalarType dtype_;
  Prepared prepared_;
};

}  // namespace inpaintx::poisson
