// The solver of a mask with tensors in and out. On the CPU one solver a mask is made at once, and keeps the arrays of
// its latest solve. On CUDA the hierarchy of all masks stands in one batch of levels: float32's at once, float64's when
// it is first asked for. A stream that uses what another one made waits for it, and keeps its memory (Prepared).
#include "poisson/poisson_solver.h"

#include <cmath>

#include "common/torch_cuda.h"
#include "poisson/cpu/batch.h"

namespace inpaintx {
namespace {

constexpr const char* kName = "PoissonSolver";

}  // namespace

PoissonSolver::PoissonSolver(const at::Tensor& mask) : device_(mask.device()) {
  TORCH_CHECK_VALUE(mask.dim() == 2 || (mask.dim() == 4 && mask.size(1) == 1), kName,
                    ": mask must have shape [H,W], [1,1,H,W] or [B,1,H,W] (1 = hole), got ", mask.sizes());
#ifdef INPAINTX_WITH_CUDA
  const bool known = mask.is_cpu() || mask.is_cuda();
#else
  const bool known = mask.is_cpu();
#endif
  TORCH_CHECK_VALUE(known, kName, ": mask must be on the CPU (or on CUDA, where that was built), got ", mask.device());
  TORCH_CHECK_VALUE(!mask.is_complex(), kName, ": mask must be real or bool, got ", mask.scalar_type());
  const int64_t batch = mask.dim() == 4 ? mask.size(0) : 1, h = mask.size(-2), w = mask.size(-1);
  shape_ = {batch, 1, h, w};
  const at::Tensor bytes = poisson::hole_bytes(mask);
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(mask)) {
    const c10::DeviceGuard guard(device_);
    hole_ = bytes.view(shape_);
    single_ = prepare(at::kFloat);
    return;
  }
#endif
  for (int64_t b = 0; b < batch; ++b) {
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.const_data_ptr<bool>()) + b * h * w;
    solvers_.push_back(std::make_unique<poisson::Solver>(data, h, w));
  }
}

at::Tensor PoissonSolver::solve(const at::Tensor& fill, const at::Tensor& image, double tol,
                                std::optional<int64_t> max_iter) {
  poisson::check_images(kName, fill, image);
  TORCH_CHECK_VALUE(image.device() == device_, kName, ": image must be on the mask's device, ", device_, ", got ",
                    image.device());
  TORCH_CHECK_VALUE(
      (shape_[0] == 1 || image.size(0) == shape_[0]) && image.size(2) == shape_[2] && image.size(3) == shape_[3], kName,
      ": image must fit the prepared mask ", at::IntArrayRef(shape_), ", got ", image.sizes());
  const auto p = poisson::parameters(kName, tol, max_iter);
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(image)) {
    const c10::DeviceGuard guard(device_);
    const bool wide = fill.scalar_type() == at::kDouble || image.scalar_type() == at::kDouble;
    std::lock_guard<std::mutex> lock(mutex_);
    (wide && double_ ? double_ : single_)->use(hole_);
    std::unique_ptr<poisson::DeviceBatch> made = wide && !double_ ? prepare(at::kDouble) : nullptr;
    const poisson::DeviceBatch& batch = made ? *made : wide ? *double_ : *single_;
    last_ = {static_cast<int>(batch.cycles(p)), std::nan("")};
    at::Tensor out = batch.blend(fill.detach(), image.detach(), p);
    // What is prepared while a graph is recorded is there only after a replay: it serves this call and is dropped.
    if (made && !capturing()) double_ = std::move(made);
    return out;
  }
#endif
  poisson::SolveInfo worst;
  const auto solver = [&](int64_t b) {
    const auto* one = solvers_[shape_[0] == 1 ? 0 : b].get();
    return std::shared_ptr<const poisson::Solver>(std::shared_ptr<void>(), one);  // it is the object's, not the loop's
  };
  at::Tensor out = poisson::blend_batch(solver, fill.detach(), image.detach(), p, worst);
  std::lock_guard<std::mutex> lock(mutex_);
  last_ = worst;
  return out;
}

#ifdef INPAINTX_WITH_CUDA
std::unique_ptr<poisson::DeviceBatch> PoissonSolver::prepare(at::ScalarType dtype) const {
  auto batch = std::make_unique<poisson::DeviceBatch>(poisson::make_hierarchy(hole_, dtype), shape_);
  batch->mark();
  return batch;
}
#endif

size_t PoissonSolver::bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  size_t sum = 0;
  for (const auto& solver : solvers_) sum += solver->bytes();
#ifdef INPAINTX_WITH_CUDA
  for (const auto* batch : {single_.get(), double_.get()}) sum += batch ? batch->bytes() : 0;
  sum += hole_.defined() ? hole_.nbytes() : 0;
#endif
  return sum;
}

std::tuple<int64_t, double> PoissonSolver::last() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {last_.cycles, last_.residual};
}

}  // namespace inpaintx
