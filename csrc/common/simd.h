// One build serves AVX-512, AVX2 and plain x86-64: a function marked INPAINTX_CLONES is compiled for each, and the
// loader picks the one that the processor runs. Elsewhere (NEON among them) the baseline vectorises by itself.
// Sanitizers instrument the loader's resolver before their runtime is up, so their builds take the baseline too.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// By what the processor can do, not by its model: "arch=haswell" is never picked on an AMD processor.
#if __GNUC__ >= 12
#define INPAINTX_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define INPAINTX_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define INPAINTX_CLONES
#endif
