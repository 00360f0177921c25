// Poisson blending with tensors in and out: the op, and the solver that is prepared once for a mask.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include "poisson/cpu/solver.h"
#include "poisson/cuda/device_batch.h"

namespace inpaintx {

// Thread-safe: solves may run at the same time, and `last` is that of whichever ended last.
class PoissonSolver {
 public:
  // mask: [H,W], [1,1,H,W] or [B,1,H,W] on the CPU or CUDA, above 0.5 = hole
  explicit PoissonSolver(const at::Tensor& mask);

  // As ops::poisson_blend, bit for bit, without gradients; a solver of one mask takes any batch.
  //   fill, image    [B,C,H,W] floating, on the mask's device, H and W the mask's, B its batch unless that is 1
  //   tol, max_iter  as the op's
  at::Tensor solve(const at::Tensor& fill, const at::Tensor& image, double tol, std::optional<int64_t> max_iter);

  size_t bytes() const;
  std::vector<int64_t> shape() const { return shape_; }
  // Cycles and relative residual of the latest solve, the largest of its images; on CUDA the most cycles that may be
  // run, and NaN: to ask for more would wait for the device.
  std::tuple<int64_t, double> last() const;

 private:
  std::unique_ptr<poisson::DeviceBatch> prepare(at::ScalarType dtype) const;

  std::vector<int64_t> shape_;
  at::Device device_;
  std::vector<std::unique_ptr<poisson::Solver>> solvers_;  // CPU: one a mask
  at::Tensor hole_;                                        // CUDA
  std::unique_ptr<poisson::DeviceBatch> single_, double_;  // CUDA: of all masks; double when it is asked for
  mutable std::mutex mutex_;                               // of double_ and last_
  poisson::SolveInfo last_;
};

}  // namespace inpaintx
