// What every op writes alike, written once: the dispatcher's typed entry, the way below autograd, and the registration
// of kernels (autograd.h and autocast.h hold the rest, apart because of what they include). An op is declared in ops.h:
//
//   using Hog = Op<"hog", std::tuple<at::Tensor, at::Tensor>(const at::Tensor& x, int64_t cell, ...)>;
//
// and its op.cpp gives the schema and the kernels (see CONTRIBUTING, "Add an op"). Glue, not for kernels. The signature
// here and the schema must agree in order and types; the dispatcher checks it at the first call and says what differs.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace inpaintx {

// A string as a template argument.
template <size_t size>
struct OpName {
  char text[size];
  constexpr OpName(const char (&name)[size]) { std::copy_n(name, size, text); }
};

template <OpName name, class Signature>
struct Op;

template <OpName name, class Result, class... Args>
struct Op<name, Result(Args...)> {
  static constexpr const char* kName = name.text;

  // Through the dispatcher, so that autograd, autocast and the tensors' device apply.
  static Result call(Args... args) {
    static const auto op = c10::Dispatcher::singleton()
                               .findSchemaOrThrow((std::string("inpaintx::") + kName).c_str(), "")
                               .template typed<Result(Args...)>();
    return op.call(std::forward<Args>(args)...);
  }

  // The same past autograd. This is all that the Autograd key of an op without gradient has to do.
  static Result call_below_autograd(Args... args) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return call(std::forward<Args>(args)...);
  }
};

}  // namespace inpaintx

// INPAINTX_CPU_AND_CUDA(m) { m.impl("hog", hog_native); }: kernels for the CPU and, in CUDA builds, for CUDA. The glue
// of such an op looks at its tensors' device itself.
#ifdef INPAINTX_WITH_CUDA
#define INPAINTX_CPU_AND_CUDA(m)                                             \
  static void register_kernels(torch::Library& m);                           \
  TORCH_LIBRARY_IMPL(inpaintx, CPU, library) { register_kernels(library); }  \
  TORCH_LIBRARY_IMPL(inpaintx, CUDA, library) { register_kernels(library); } \
  static void register_kernels(torch::Library& m)
#else
#define INPAINTX_CPU_AND_CUDA(m) TORCH_LIBRARY_IMPL(inpaintx, CPU, m)
#endif
