// The blend on CUDA as tensors see it: many images, a mask each or one for all, in one sequence of launches.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "common/torch_cuda.h"
#include "poisson/cpu/solver.h"

namespace inpaintx::poisson {

// The coarse grids of one batch of masks, [M,1,H,W] bool, ready for many images.
class DeviceBatch {
 public:
  DeviceBatch(const at::Tensor& hole, at::ScalarType dtype);

  // For a batch that is kept: its preparation ends on the current stream; the current stream will use it.
  void mark() { prepared_.mark(hole_); }
  void use() const { prepared_.use({hole_, stencils_}); }

  at::Tensor blend(const at::Tensor& fill, const at::Tensor& image, const Parameters& p) const;
  std::tuple<at::Tensor, at::Tensor> adjoint(const at::Tensor& grad, const Parameters& p) const;

  int64_t cycles(const Parameters& p) const;  // how many are launched; the device ends a plane that is done before
  at::ScalarType dtype() const { return dtype_; }
  size_t bytes() const { return stencils_.nbytes() + hole_.nbytes(); }

 private:
  at::ScalarType dtype_;
  at::Tensor hole_, stencils_;
  Prepared prepared_;
};

}  // namespace inpaintx::poisson
