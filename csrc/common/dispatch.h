// From a tensor's dtype to a kernel's types. Glue, not for kernels. The rule of all ops: float16 and bfloat16 are read
// and written as they are and computed in float32, float32 and float64 in themselves.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/core/Tensor.h>

#include "common/torch_cuda.h"

namespace inpaintx {

// What sums over a floating tensor run in: float32, float64 for float64.
inline at::ScalarType accumulation_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// kernel(scalar_t{}, acc_t{}): of float16, bfloat16, float32 and float64, and what it accumulates in.
template <typename F>
void dispatch_floating(const at::Tensor& x, const F& kernel) {
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x.scalar_type(), "inpaintx",
                                  [&] { kernel(scalar_t{}, at::opmath_type<scalar_t>{}); });
}

// kernel(scalar_t{}, acc_t{}) of an op whose CUDA kernels read and write half types as they are, and whose CPU kernels
// get them converted: there both are what is computed in.
template <typename F>
void dispatch_native(const at::Tensor& x, const F& kernel) {
#ifdef INPAINTX_WITH_CUDA
  if (on_cuda(x)) return dispatch_floating(x, kernel);
#endif
  x.scalar_type() == at::kDouble ? kernel(double{}, double{}) : kernel(float{}, float{});
}

}  // namespace inpaintx
