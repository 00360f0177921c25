// detail_transfer: schema, checks, allocation. No gradient: matches are a search's. Steps, each one launch or loop:
//   1. touched_by: the patches that a hole pixel lies in; only these are searched for
//   2. patchmatch_field: a match for each, in strips of rows that threads share
//   3. the median cost of each image, over the patches that have a match
//   4. vote_on: the residual of each hole pixel
#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/nanmedian.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "common/checks.h"
#include "common/one_thread.h"
#include "common/torch_cuda.h"
#include "detail_transfer/kernels.h"
#include "ops.h"
#include "patchmatch/field.h"

namespace inpaintx::ops {
namespace {

// Strips are the unit of work of the search, so that a result depends on this number, and not on that of the threads.
constexpr int64_t kStrip = 64;  // rows that a thread searches on its own

void check(const Tensor& source, const Tensor& target, const Tensor& residual, const Tensor& source_valid,
           const Tensor& mask, int64_t kernel_size, int64_t iterations) {
  TORCH_CHECK_VALUE(target.dim() == 4 && target.numel() > 0,
                    "detail_transfer: target must have shape [B,C,H,W] and not be empty, got ", target.sizes());
  const int64_t b = target.size(0), c = target.size(1);
  TORCH_CHECK_VALUE(source.dim() == 4 && source.numel() > 0 && source.size(0) == b && source.size(1) == c,
                    "detail_transfer: source must have the batch and channels of target, [", b, ",", c, ",Hs,Ws], got ",
                    source.sizes());
  const int64_t hs = source.size(2), ws = source.size(3);
  TORCH_CHECK_VALUE(residual.dim() == 4 && residual.numel() > 0 && residual.size(0) == b && residual.size(2) == hs &&
                        residual.size(3) == ws,
                    "detail_transfer: residual must have the batch and size of source, [", b, ",R,", hs, ",", ws,
                    "], got ", residual.sizes());
  for (const auto& [name, x] :
       {std::pair{"source", &source}, std::pair{"target", &target}, std::pair{"residual", &residual}}) {
    TORCH_CHECK_VALUE(at::isFloatingType(x->scalar_type()), "detail_transfer: ", name, " must be floating point, got ",
                      x->scalar_type());
    TORCH_CHECK_VALUE(x->size(2) * x->size(3) < std::numeric_limits<int32_t>::max(), "detail_transfer: ", name,
                      " must have less than 2^31 pixels an image, got ", x->sizes());
  }
  TORCH_CHECK_VALUE(source_valid.dim() == 4 && (source_valid.size(0) == b || source_valid.size(0) == 1) &&
                        source_valid.size(1) == 1 && source_valid.size(2) == hs && source_valid.size(3) == ws,
                    "detail_transfer: source_valid must have shape [", b, ",1,", hs, ",", ws,
                    "] (1 = usable, not a hole mask), got ", source_valid.sizes());
  TORCH_CHECK_VALUE(mask.dim() == 4 && (mask.size(0) == b || mask.size(0) == 1) && mask.size(1) == 1 &&
                        mask.size(2) == target.size(2) && mask.size(3) == target.size(3),
                    "detail_transfer: mask must have shape [", b, ",1,", target.size(2), ",", target.size(3),
                    "] (1 = hole), got ", mask.sizes());
  for (const auto& [name, x] : {std::pair{"source_valid", &source_valid}, std::pair{"mask", &mask}}) {
    TORCH_CHECK_VALUE(!x->is_complex(), "detail_transfer: ", name, " must be real or bool, got ", x->scalar_type());
  }
  TORCH_CHECK_VALUE(kernel_size > 0 && kernel_size % 2 == 1,
                    "detail_transfer: kernel_size must be odd and positive, got ", kernel_size);
  TORCH_CHECK_VALUE(iterations >= 0, "detail_transfer: iterations must not be negative, got ", iterations);
  for (const auto& [name, x] : {std::pair{"source", &source}, std::pair{"residual", &residual},
                                std::pair{"source_valid", &source_valid}, std::pair{"mask", &mask}}) {
    TORCH_CHECK_VALUE(x->device() == target.device(), "detail_transfer: ", name, " must be on the device of target, ",
                      target.device(), ", got ", x->device());
  }
}

// Pixels whose patch has a hole pixel, bool [B|1,1,H,W].
Tensor touched_by(const Tensor& hole, int64_t kernel_size) {
  Tensor touched = hole.to(at::kFloat);  // a patch as large as the image has all of it
  const int64_t rows = std::min(kernel_size, 2 * hole.size(2) - 1),
                columns = std::min(kernel_size, 2 * hole.size(3) - 1);
  touched = at::max_pool2d(touched, {rows, 1}, 1, {rows / 2, 0});
  return at::max_pool2d(touched, {1, columns}, 1, {0, columns / 2}).gt(0);
}

template <typename acc_t>
//   residual  [B,R,Hs,Ws] floating      nnf  [B,H,W,2] int32      cost  [B,H,W] float32      usual  [B] float32
//   hole      [B,1,H,W] bool, contiguous
// -> [B,R,H,W] in residual's dtype, contiguous
Tensor vote_on(const Tensor& residual, const Tensor& nnf, const Tensor& cost, const Tensor& usual, const Tensor& hole,
               int64_t kernel_size) {
  const auto type = c10::CppTypeToScalarType<acc_t>::value;  // a pixel's channels are one run of memory
  Tensor from;
  {
    const OneThread guard(residual.numel());
    from = residual.to(type).permute({0, 2, 3, 1}).contiguous();
  }
  const int64_t b = hole.size(0), h = hole.size(2), w = hole.size(3);
  const Tensor detail = at::empty({b, h, w, from.size(3)}, from.options());
  detail_transfer::Vote<acc_t> votes{from.const_data_ptr<acc_t>(),
                                     nnf.const_data_ptr<int32_t>(),
                                     cost.const_data_ptr<float>(),
                                     usual.const_data_ptr<float>(),
                                     hole.const_data_ptr<bool>(),
                                     detail.mutable_data_ptr<acc_t>(),
                                     b,
                                     from.size(3),
                                     h,
                                     w,
                                     from.size(1),
                                     from.size(2),
                                     kernel_size};
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(hole)) {
    detail_transfer::cuda::vote_all(votes, current_stream(hole));
  } else {
    detail_transfer::cpu::vote_all(votes);
  }
#else
  detail_transfer::cpu::vote_all(votes);
#endif
  const OneThread guard(detail.numel());
  return detail.permute({0, 3, 1, 2}).to(residual.scalar_type()).contiguous();
}

// The four steps. The median is taken over matches alone: a cost of infinity says that there is none.
Tensor detail_transfer_native(const Tensor& source, const Tensor& target, const Tensor& residual,
                              const Tensor& source_valid, const Tensor& mask, int64_t kernel_size, int64_t iterations,
                              int64_t seed) {
  check(source, target, residual, source_valid, mask, kernel_size, iterations);
  const c10::DeviceGuard guard(target.device());
  const int64_t values = std::max(source.numel(), residual.numel());
  Tensor hole, touched, usual;
  {
    const OneThread guard(values);
    if (!source.is_cuda()) {  // on CUDA the check would wait for the device
      const Tensor hidden = binary(source_valid).logical_not();
      check_finite("detail_transfer", "source", source, hidden);
      check_finite("detail_transfer", "residual", residual, hidden);
    }
    hole = hole_of(target, mask);
    touched = touched_by(hole, kernel_size);
  }
  const auto [nnf, cost] =
      patchmatch_field(source, target, source_valid, kernel_size, iterations, seed, std::nullopt, touched, kStrip);
  {
    const OneThread guard(values);
    const Tensor finite = cost.masked_fill(cost.isinf(), std::numeric_limits<double>::quiet_NaN());
    usual = std::get<0>(at::nanmedian(finite.flatten(1), 1)).contiguous();
  }
  const bool wide = residual.scalar_type() == at::kDouble;
  return wide ? vote_on<double>(residual, nnf, cost, usual, hole, kernel_size)
              : vote_on<float>(residual, nnf, cost, usual, hole, kernel_size);
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "detail_transfer(Tensor source, Tensor target, Tensor residual, Tensor source_valid, Tensor mask, "
      "int kernel_size=5, int iterations=5, int seed=0) -> Tensor");
}
INPAINTX_CPU_AND_CUDA(m) { m.impl("detail_transfer", detail_transfer_native); }
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) { m.impl("detail_transfer", DetailTransfer::call_below_autograd); }

}  // namespace
}  // namespace inpaintx::ops
