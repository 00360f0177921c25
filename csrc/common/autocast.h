// Autocast of an op: its inputs are cast, and the op is called again without autocast.
#pragma once

#include <ATen/autocast_mode.h>

#include <cstddef>
#include <utility>

#include "common/op.h"

namespace inpaintx {

enum class CastTo {
  kLowerPrecision,  // autocast's dtype, as ATen's convolutions
  kFloat            // float32, as ATen's losses
};

template <bool cast, class T>
decltype(auto) cast_argument(at::ScalarType dtype, c10::DeviceType device, T&& argument) {
  if constexpr (cast) {
    return at::autocast::cached_cast(dtype, argument, device);
  } else {
    return std::forward<T>(argument);
  }
}

// `cast`: positions of the arguments that are cast. Masks and the weights of a mean are not: they say what counts, and
// would only lose by it.
template <class AnyOp, CastTo to, size_t... cast>
struct Autocast;

template <OpName name, class Result, class... Args, CastTo to, size_t... cast>
struct Autocast<Op<name, Result(Args...)>, to, cast...> {
  static constexpr bool is_cast(size_t position) { return (... || (position == cast)); }

  template <c10::DeviceType device>
  static Result call(Args... args) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(
        at::autocast::get_autocast_dispatch_key_from_device_type(device));
    const auto dtype =
        to == CastTo::kFloat ? at::kFloat : at::autocast::get_lower_precision_fp_from_device_type(device);
    return [&]<size_t... i>(std::index_sequence<i...>) {
      return Op<name, Result(Args...)>::call(cast_argument<is_cast(i)>(dtype, device, std::forward<Args>(args))...);
    }(std::index_sequence_for<Args...>());
  }
};

}  // namespace inpaintx

// INPAINTX_AUTOCAST(Ssim, CastTo::kFloat, 0, 1): registers it on both devices.
#define INPAINTX_AUTOCAST(op, ...)                                                      \
  TORCH_LIBRARY_IMPL(inpaintx, AutocastCPU, m) {                                        \
    m.impl(op::kName, Autocast<op, __VA_ARGS__>::template call<c10::DeviceType::CPU>);  \
  }                                                                                     \
  TORCH_LIBRARY_IMPL(inpaintx, AutocastCUDA, m) {                                       \
    m.impl(op::kName, Autocast<op, __VA_ARGS__>::template call<c10::DeviceType::CUDA>); \
  }
