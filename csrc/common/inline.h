// Functions that must be inlined, and math.h of every op: plain C++ on the host, device code under nvcc.
#pragma once

// Compiled for the instruction set of the function that it stands in: gcc inlines nothing less into the clones of
// isa.h, and a loop around a call is not vectorized.
#if defined(__GNUC__)
#define INPAINTX_INLINE inline __attribute__((always_inline))
#else
#define INPAINTX_INLINE inline
#endif

#if defined(__CUDACC__)
#define INPAINTX_HD __host__ __device__ __forceinline__
#else
#define INPAINTX_HD INPAINTX_INLINE
#endif
