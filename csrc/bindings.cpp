// pybind11: every op as a plain function, objects with state, and what was built.
#include <ATen/Parallel.h>
#include <torch/csrc/utils/pybind.h>

#include <array>

#include "common/kept_memory.h"
#include "common/level.h"
#include "ops.h"

namespace py = pybind11;
using at::Tensor;
using Pair = std::array<int64_t, 2>;

namespace {

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
  const int level = inpaintx::cpu_level();
  info["own_convolution"] = level == 4 ? "avx512" : level == 3 ? "avx2" : "none";
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
         Pair padding, Pair dilation, bool scale_by_sum) {
        return inpaintx::ops::partial_conv2d(x, mask, weight, bias, stride, padding, dilation, scale_by_sum);
      },
      release);
  m.def(
      "conv3x3",
      [](const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, Pair padding) {
        return inpaintx::ops::conv3x3(x, weight, bias, padding);
      },
      release);
  m.def("spd_map", &inpaintx::ops::spd_map, release);
  m.def("hog", &inpaintx::ops::hog, release);
  m.def("ssim", &inpaintx::ops::ssim, release);
  m.def("spd_norm", &inpaintx::ops::spd_norm, release);
  m.def("patchmatch", &inpaintx::ops::patchmatch, release);
  m.def("tv_inpaint", &inpaintx::ops::tv_inpaint, release);
  m.def("efros_leung", &inpaintx::ops::efros_leung, release);
  bind_poisson(m);
  m.def("empty_cache", [] { return inpaintx::KeptMemory::instance().clear(); }, release);
  m.def("build_info", &build_info, "Compiler, vector extension in use, and whether CUDA was built.");
}
