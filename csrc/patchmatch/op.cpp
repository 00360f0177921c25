// patchmatch: schema, checks, allocation. No gradient: the result is a field of places. Differences are float64 where
// source or target is, so that equal windows compare equal in the wider of the two.
#include <ATen/ops/clamp.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

#include <array>
#include <limits>
#include <utility>

#include "common/checks.h"
#include "common/one_thread.h"
#include "common/torch_cuda.h"
#include "ops.h"
#include "patchmatch/field.h"
#include "patchmatch/kernels.h"

namespace inpaintx::ops {
namespace {

void check(const Tensor& source, const Tensor& target, const Tensor& source_valid, int64_t kernel_size,
           int64_t iterations, const std::optional<Tensor>& init, const std::optional<Tensor>& where) {
  TORCH_CHECK_VALUE(target.dim() == 4 && target.numel() > 0,
                    "patchmatch: target must have shape [B,C,H,W] or [C,H,W] and not be empty, got ", target.sizes());
  const int64_t b = target.size(0), c = target.size(1);
  TORCH_CHECK_VALUE(source.dim() == 4 && source.numel() > 0 && source.size(0) == b && source.size(1) == c,
                    "patchmatch: source must have the batch and channels of target, [", b, ",", c, ",Hs,Ws], got ",
                    source.sizes());
  for (const auto& [name, x] : {std::pair{"source", &source}, std::pair{"target", &target}}) {
    TORCH_CHECK_VALUE(at::isFloatingType(x->scalar_type()), "patchmatch: ", name, " must be floating point, got ",
                      x->scalar_type());
    TORCH_CHECK_VALUE(x->size(2) * x->size(3) < std::numeric_limits<int32_t>::max(), "patchmatch: ", name,
                      " must have less than 2^31 pixels an image, got ", x->sizes());
  }
  TORCH_CHECK_VALUE(source_valid.dim() == 4 && (source_valid.size(0) == b || source_valid.size(0) == 1) &&
                        source_valid.size(1) == 1 && source_valid.size(2) == source.size(2) &&
                        source_valid.size(3) == source.size(3),
                    "patchmatch: source_valid must have shape [", b, ",1,", source.size(2), ",", source.size(3),
                    "] (1 = usable, not a hole mask), got ", source_valid.sizes());
  TORCH_CHECK_VALUE(!source_valid.is_complex(), "patchmatch: source_valid must be real or bool, got ",
                    source_valid.scalar_type());
  TORCH_CHECK_VALUE(kernel_size > 0 && kernel_size % 2 == 1, "patchmatch: kernel_size must be odd and positive, got ",
                    kernel_size);
  TORCH_CHECK_VALUE(iterations >= 0, "patchmatch: iterations must not be negative, got ", iterations);
  if (init) {
    const std::array<int64_t, 4> shape{b, target.size(2), target.size(3), 2};
    TORCH_CHECK_VALUE(init->sizes() == at::IntArrayRef(shape) && at::isIntegralType(init->scalar_type(), false),
                      "patchmatch: init must be an integer field of shape ", at::IntArrayRef(shape), ", got ",
                      init->scalar_type(), " ", init->sizes());
  }
  if (where) {
    const std::array<int64_t, 4> shape{b, 1, target.size(2), target.size(3)};
    TORCH_CHECK_VALUE(where->sizes() == at::IntArrayRef(shape) && where->scalar_type() == at::kBool,
                      "patchmatch: where must be bool of shape ", at::IntArrayRef(shape), ", got ",
                      where->scalar_type(), " ", where->sizes());
  }
  const std::array<std::pair<const char*, std::optional<Tensor>>, 4> others{
      {{"source", source}, {"source_valid", source_valid}, {"init", init}, {"where", where}}};
  for (const auto& [name, x] : others) {
    TORCH_CHECK_VALUE(!x || x->device() == target.device(), "patchmatch: ", name, " must be on the device of target, ",
                      target.device(), ", got ", x->device());
  }
}

// A patch's row is one run of memory: channels last.
Tensor laid_out(const Tensor& x, at::ScalarType type) {
  const OneThread guard(x.numel());
  return x.to(type).permute({0, 2, 3, 1}).contiguous();
}

template <typename acc_t>
// nnf and cost are written; on CUDA flags, counts, the second field and the sums of squares are scratch of this call.
void compute(const Tensor& source, const Tensor& target, const bool* valid, const bool* where, Tensor& nnf,
             Tensor& cost, int64_t kernel_size, int64_t iterations, int64_t seed, int64_t strip) {
  const auto type = c10::CppTypeToScalarType<acc_t>::value;
  const Tensor s = laid_out(source, type), t = laid_out(target, type);
  patchmatch::Search<acc_t> search{s.const_data_ptr<acc_t>(),
                                   t.const_data_ptr<acc_t>(),
                                   valid,
                                   where,
                                   nnf.mutable_data_ptr<int32_t>(),
                                   cost.mutable_data_ptr<float>(),
                                   t.size(0),
                                   t.size(3),
                                   t.size(1),
                                   t.size(2),
                                   s.size(1),
                                   s.size(2),
                                   kernel_size,
                                   iterations,
                                   seed};
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(target)) {
    const Stream stream = current_stream(target);
    const Tensor flags = at::empty({s.size(0), s.size(1) * s.size(2)}, nnf.options().dtype(at::kBool));
    search.flags = flags.mutable_data_ptr<bool>();
    patchmatch::cuda::find_candidates(search, stream);
    const Tensor counts = flags.cumsum(1, at::kLong);
    search.counts = counts.const_data_ptr<int64_t>();
    Tensor other = at::empty_like(nnf), best = at::empty(cost.sizes(), t.options());
    patchmatch::cuda::search(search, other.mutable_data_ptr<int32_t>(), best.mutable_data_ptr<acc_t>(), stream);
    return;
  }
#endif
  search.strip = strip;
  patchmatch::cpu::search(search);
}

}  // namespace

// Lays the arguments out as the kernels read them: channels last, masks as bytes of their own, the field in int32.
std::tuple<Tensor, Tensor> patchmatch_field(const Tensor& source, const Tensor& target, const Tensor& source_valid,
                                            int64_t kernel_size, int64_t iterations, int64_t seed,
                                            const std::optional<Tensor>& init, const std::optional<Tensor>& where,
                                            int64_t strip) {
  const c10::DeviceGuard guard(target.device());
  const int64_t b = target.size(0), h = target.size(2), w = target.size(3);
  const auto ints = target.options().dtype(at::kInt);
  Tensor nnf = at::empty({b, h, w, 2}, ints), cost = at::empty({b, h, w}, ints.dtype(at::kFloat)), valid, wanted;
  {
    const OneThread guard(source.numel());
    valid = binary(source_valid).expand({b, 1, source.size(2), source.size(3)}).contiguous();
    if (where) wanted = binary(*where);
    // what int32 cannot hold is no candidate, instead of another pixel
    init ? nnf.copy_(init->clamp(-1, std::numeric_limits<int32_t>::max())) : nnf.fill_(-1);
  }
  const bool wide = source.scalar_type() == at::kDouble || target.scalar_type() == at::kDouble;
  const auto* valid_data = valid.const_data_ptr<bool>();
  const auto* where_data = where ? wanted.const_data_ptr<bool>() : nullptr;
  if (wide) {
    compute<double>(source, target, valid_data, where_data, nnf, cost, kernel_size, iterations, seed, strip);
  } else {
    compute<float>(source, target, valid_data, where_data, nnf, cost, kernel_size, iterations, seed, strip);
  }
  return {nnf, cost};
}

namespace {

std::tuple<Tensor, Tensor> patchmatch_native(const Tensor& source, const Tensor& target, const Tensor& source_valid,
                                             int64_t kernel_size, int64_t iterations, int64_t seed,
                                             const std::optional<Tensor>& init, const std::optional<Tensor>& where) {
  check(source, target, source_valid, kernel_size, iterations, init, where);
  // on CUDA the check would wait for the device; there a NaN spoils the matches of its own surroundings
  if (!source.is_cuda()) check_finite("patchmatch", "source", source, binary(source_valid).logical_not());
  return patchmatch_field(source, target, source_valid, kernel_size, iterations, seed, init, where);
}

TORCH_LIBRARY_FRAGMENT(inpaintx, m) {
  m.def(
      "patchmatch(Tensor source, Tensor target, Tensor source_valid, int kernel_size=7, int iterations=5, int seed=0, "
      "Tensor? init=None, Tensor? where=None) -> (Tensor nnf, Tensor cost)");
}
INPAINTX_CPU_AND_CUDA(m) { m.impl("patchmatch", patchmatch_native); }
TORCH_LIBRARY_IMPL(inpaintx, Autograd, m) { m.impl("patchmatch", PatchMatch::call_below_autograd); }

}  // namespace
}  // namespace inpaintx::ops
