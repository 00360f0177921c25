// Which of the code that is compiled for a level of x86-64 runs here.
#pragma once

#include <ATen/Version.h>

#include <string>

#include "common/simd.h"

namespace inpaintx {

// 4 (AVX-512), 3 (AVX2), or 0: neither was compiled, or this processor has neither. ATEN_CPU_CAPABILITY lowers it, as
// torch's.
inline int cpu_level() {
#ifdef INPAINTX_LEVELS
  static const int found = [] {
    const std::string allowed = at::get_cpu_capability();
    if (allowed == "AVX512" && __builtin_cpu_supports("x86-64-v4")) return 4;
    return (allowed == "AVX512" || allowed == "AVX2") && __builtin_cpu_supports("x86-64-v3") ? 3 : 0;
  }();
  return found;
#else
  return 0;
#endif
}

}  // namespace inpaintx
