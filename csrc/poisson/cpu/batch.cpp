// The checks of the blend, and the loop over a batch. Many small images are spread over the threads, each solved in
// one; of large ones each has all threads. Either way an image is solved as if it were alone.
#include "poisson/cpu/batch.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <vector>

#include "common/allocator.h"
#include "common/checks.h"
#include "common/isa.h"
#include "common/mask.h"
#include "common/parallel.h"

namespace inpaintx::poisson {
namespace {

using at::Tensor;

// Small images are spread over the threads; of large ones each has them all. The bits are the same either way.
constexpr int64_t kSmallImage = 1 << 17;

template <class F>
void over_images(int64_t batch, int64_t pixels, const F& image) {
  if (batch > 1 && pixels <= kSmallImage) {
    parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) image(b);
    });
    return;
  }
  for (int64_t b = 0; b < batch; ++b) image(b);
}

// Without a call of PyTorch's where there is nothing to convert: on a small image each one tells.
Tensor with_dtype(const Tensor& x, at::ScalarType dtype) { return x.scalar_type() == dtype ? x : x.to(dtype); }

// Planes may lie anywhere, and rows any distance apart; the pixels of a row must follow each other.
Tensor with_plain_rows(const Tensor& x, at::ScalarType dtype) {
  const Tensor y = with_dtype(x, dtype);
  return y.stride(3) == 1 || y.size(3) == 1 ? y : y.contiguous();
}

template <class T>
Planes<const T> planes(const Tensor& x, int64_t b) {
  return {x.const_data_ptr<T>() + b * x.stride(0), x.stride(1), x.stride(2)};
}
template <class T>
Planes<T> planes_of(Tensor& x, int64_t b) {
  return {x.mutable_data_ptr<T>() + b * x.stride(0), x.stride(1), x.stride(2)};
}

INPAINTX_CLONES void holes(const float* mask, uint8_t* bytes, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) bytes[i] = is_hole(mask[i]);
}

Tensor room_for(const Tensor& like, at::ScalarType dtype) {
  return empty_result(like.sizes(), like.options().dtype(dtype));
}

SolveInfo worst_of(const std::vector<SolveInfo>& outcomes) {
  SolveInfo worst;
  for (const SolveInfo& o : outcomes) {
    worst.cycles = std::max(worst.cycles, o.cycles);
    worst.residual = std::max(o.residual, worst.residual);
  }
  return worst;
}

}  // namespace

Parameters parameters(const char* op, double tol, std::optional<int64_t> max_iter) {
  TORCH_CHECK_VALUE(tol >= 0 && std::isfinite(tol), op, ": tol must be finite and not negative, got ", tol);
  TORCH_CHECK_VALUE(!max_iter || *max_iter >= 0, op, ": max_iter must be None or not negative, got ",
                    max_iter.value_or(0));
  Parameters p;
  p.tol = tol;
  if (max_iter) p.max_cycles = int(std::min<int64_t>(*max_iter, 1 << 20));
  return p;
}

void check_images(const char* op, const Tensor& fill, const Tensor& image) {
  TORCH_CHECK_VALUE(image.dim() == 4, op, ": image must have shape [B,C,H,W], got ", image.sizes());
  TORCH_CHECK_VALUE(fill.sizes() == image.sizes(), op, ": fill must have the shape of image ", image.sizes(), ", got ",
                    fill.sizes());
  TORCH_CHECK_VALUE(at::isFloatingType(image.scalar_type()), op, ": image must be floating point, got ",
                    image.scalar_type());
  TORCH_CHECK_VALUE(at::isFloatingType(fill.scalar_type()), op, ": fill must be floating point, got ",
                    fill.scalar_type());
  TORCH_CHECK_VALUE(fill.device() == image.device(), op, ": fill must be on the device of image, ", image.device(),
                    ", got ", fill.device());
  TORCH_CHECK_VALUE(image.size(2) <= INT32_MAX / 4 && image.size(3) <= INT32_MAX / 4, op,
                    ": image is too large: ", image.sizes());
}

Tensor hole_bytes(const Tensor& mask) {
  if (mask.is_cpu() && mask.scalar_type() == at::kFloat) {  // PyTorch compares a number at a time
    const Tensor from = mask.contiguous(), bytes = at::empty(mask.sizes(), mask.options().dtype(at::kBool));
    auto* to = reinterpret_cast<uint8_t*>(bytes.mutable_data_ptr<bool>());
    parallel_for(0, mask.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
      holes(from.const_data_ptr<float>() + begin, to + begin, end - begin);
    });
    return bytes;
  }
  return binary(mask);
}

Tensor blend_batch(const SolverOf& solver, const Tensor& fill, const Tensor& image, const Parameters& p,
                   SolveInfo& worst) {
  const bool wide = fill.scalar_type() == at::kDouble || image.scalar_type() == at::kDouble;
  const auto dtype = wide ? at::kDouble : at::kFloat;
  const Tensor t = with_plain_rows(fill, dtype), i = with_plain_rows(image, dtype);
  Tensor out = room_for(i, dtype);
  if (out.numel() == 0) return with_dtype(out, image.scalar_type());
  std::vector<SolveInfo> outcomes(image.size(0));
  over_images(image.size(0), image.size(2) * image.size(3), [&](int64_t b) {
    const auto one = solver(b);
    if (wide) {
      outcomes[b] = one->blend(planes<double>(t, b), planes<double>(i, b), planes_of<double>(out, b), i.size(1), p);
    } else {
      outcomes[b] = one->blend(planes<float>(t, b), planes<float>(i, b), planes_of<float>(out, b), i.size(1), p);
    }
  });
  worst = worst_of(outcomes);
  return with_dtype(out, image.scalar_type());
}

std::tuple<Tensor, Tensor> adjoint_batch(const SolverOf& solver, const Tensor& grad, const Parameters& p) {
  const bool wide = grad.scalar_type() == at::kDouble;
  const auto dtype = wide ? at::kDouble : at::kFloat;
  const Tensor g = with_plain_rows(grad, dtype);
  Tensor fill = room_for(g, dtype), image = room_for(g, dtype);
  if (g.numel() != 0) {
    over_images(g.size(0), g.size(2) * g.size(3), [&](int64_t b) {
      const auto one = solver(b);
      if (wide) {
        one->adjoint(planes<double>(g, b), planes_of<double>(fill, b), planes_of<double>(image, b), g.size(1), p);
      } else {
        one->adjoint(planes<float>(g, b), planes_of<float>(fill, b), planes_of<float>(image, b), g.size(1), p);
      }
    });
  }
  return {with_dtype(fill, grad.scalar_type()), with_dtype(image, grad.scalar_type())};
}

}  // namespace inpaintx::poisson
