// One build serves AVX-512, AVX2 and plain x86-64: a function marked INPAINTX_CLONES is compiled for each, and the
// loader picks the one that the processor runs. Elsewhere (NEON among them) the baseline vectorises by itself.
// Sanitizers instrument the loader's resolver before their runtime is up, so their builds take the baseline too.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define INPAINTX_CLONES __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define INPAINTX_CLONES
#endif
