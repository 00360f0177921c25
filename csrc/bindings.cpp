// pybind11: every op as a plain function, objects with state, and what was built. In eager mode these are the shorter
// call; under torch.compile the public functions take torch.ops, which the compiler can see. The GIL is released for
// the whole of a call.
#include <ATen/Parallel.h>
#include <torch/csrc/utils/pybind.h>

#include <array>
#include <vector>

#include "common/allocator.h"
#include "common/isa.h"
#include "ops.h"
#include "partial_conv/fused.h"

namespace py = pybind11;
namespace ops = inpaintx::ops;
using at::Tensor;
using Pair = std::array<int64_t, 2>;

namespace {

// An op of which the caller gets the first result alone; the others are for the backward pass.
template <class T>
// The template takes the op's own signature, so that the binding follows ops.h without being written out.
struct first_of;
template <inpaintx::OpName name, class Result, class... Args>
struct first_of<inpaintx::Op<name, Result(Args...)>> {
  static Tensor call(Args... args) {
    return std::get<0>(inpaintx::Op<name, Result(Args...)>::call(std::forward<Args>(args)...));
  }
};

py::dict build_info() {
  py::dict info;
#ifdef INPAINTX_WITH_CUDA
  info["with_cuda"] = true;
#else
  info["with_cuda"] = false;
#endif
#if defined(__clang__)
  info["compiler"] = "clang " __clang_version__;
#elif defined(__GNUC__)
  info["compiler"] = "gcc " __VERSION__;
#else
  info["compiler"] = "other";
#endif
  info["cxx"] = static_cast<long>(__cplusplus);
#if defined(__x86_64__) && defined(__GNUC__)
  info["cpu"] = __builtin_cpu_supports("avx512bw") ? "avx512" : __builtin_cpu_supports("avx2") ? "avx2" : "x86-64";
#elif defined(__aarch64__)
  info["cpu"] = "neon";
#else
  info["cpu"] = "baseline";
#endif
  // what runs of it, ATEN_CPU_CAPABILITY regarded
  using inpaintx::Isa;
  const Isa isa = inpaintx::isa();
  info["own_convolution"] = isa == Isa::kAvx512 ? "avx512" : isa == Isa::kAvx2 ? "avx2" : "none";
  return info;
}

}  // namespace

void bind_poisson(py::module_& m);  // poisson/bind.cpp

PYBIND11_MODULE(_C, m) {
  m.doc() = "Native part of inpaintx; the public functions stand in inpaintx.ops.";
  const auto release = py::call_guard<py::gil_scoped_release>();
  m.def(
      "partial_conv2d",
      [](const Tensor& x, const Tensor& mask, const Tensor& weight, const std::optional<Tensor>& bias, Pair stride,
         Pair padding, Pair dilation, bool scale_by_sum, const std::vector<int64_t>& mask_channels) {
        const auto [y, new_mask, ratio] =
            ops::PartialConv2d::call(x, mask, weight, bias, stride, padding, dilation, scale_by_sum, mask_channels);
        return std::pair(y, new_mask);
      },
      release);
  m.def(
      "conv3x3",
      [](const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, Pair padding) {
        return ops::Conv3x3::call(x, weight, bias, padding);
      },
      release);
  m.def("spd_map", &ops::SpdMap::call, release);
  m.def("hog", &ops::Hog::call, release);
  m.def("ssim", &first_of<ops::Ssim>::call, release);
  m.def("spd_norm", &first_of<ops::SpdNorm>::call, release);
  m.def("patchmatch", &ops::PatchMatch::call, release);
  m.def("detail_transfer", &ops::DetailTransfer::call, release);
  m.def("tv_inpaint", &ops::TvInpaint::call, release);
  m.def("efros_leung", &ops::EfrosLeung::call, release);
  bind_poisson(m);
  m.def("choose_fused_partial_conv", [](bool chosen) { inpaintx::partial_conv::fused_is_chosen = chosen; });
  m.def("empty_cache", [] { return inpaintx::CachingAllocator::instance().clear(); }, release);
  m.def("build_info", &build_info, "Compiler, vector extension in use, and whether CUDA was built.");
}
