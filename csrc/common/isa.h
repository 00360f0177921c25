// One build serves AVX-512, AVX2 and plain x86-64: a function marked INPAINTX_CLONES is compiled for each, and the
// loader picks the one that the processor runs. Elsewhere (NEON among them) the baseline vectorizes by itself. The
// targets are named by level (GCC 12) or by feature. A model's name, arch=haswell say, is matched against that very
// model: AMD processors, and Intel's later ones, would all run the baseline. Sanitizers instrument the loader's
// resolver before their runtime is up, so their builds take the baseline too.
//
// Two ways to use it. INPAINTX_CLONES marks a plain function of a row, whose loop the compiler vectorizes; everything
// that it calls must be INPAINTX_INLINE, or runs as baseline code. INPAINTX_LEVELS with a pragma and a namespace serves
// code that is written for a vector's length (correlation_kernel.h, transforms.h) and chosen by isa().
//
// Highway's foreach_target was tried on hog's tally and left: the same bits, rows of 64 to 1024 pixels 14 to 37 %
// slower than the vectorized loop, twice the lines, 2.6 times the code, 11 s of compiling instead of 0.3. What it would
// bring is a choice at run time where the compiler is clang; there the baseline runs today.
#pragma once

#include <ATen/Version.h>

#include <string>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#if __GNUC__ >= 12
#define INPAINTX_LEVELS  // code may be compiled for a level of x86-64 by a pragma, and chosen at run time
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INPAINTX_CLONES
#elif __GNUC__ >= 12
#define INPAINTX_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define INPAINTX_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define INPAINTX_CLONES
#endif

namespace inpaintx {

enum class Isa { kBaseline, kAvx2, kAvx512 };

// The highest level of x86-64 that was compiled (INPAINTX_LEVELS) and that this processor has. ATEN_CPU_CAPABILITY
// lowers it, as it lowers torch's.
inline Isa isa() {
#ifdef INPAINTX_LEVELS
  static const Isa found = [] {
    const std::string allowed = at::get_cpu_capability();
    if (allowed == "AVX512" && __builtin_cpu_supports("x86-64-v4")) return Isa::kAvx512;
    const bool avx2 = (allowed == "AVX512" || allowed == "AVX2") && __builtin_cpu_supports("x86-64-v3");
    return avx2 ? Isa::kAvx2 : Isa::kBaseline;
  }();
  return found;
#else
  return Isa::kBaseline;
#endif
}

}  // namespace inpaintx
