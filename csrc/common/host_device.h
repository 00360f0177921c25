// math.h of every op is plain C++ on the host and device code under nvcc.
#pragma once

#if defined(__CUDACC__)
#define INPAINTX_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
// gcc inlines nothing less into the clones of simd.h, and a loop around a call is not vectorised
#define INPAINTX_HD inline __attribute__((always_inline))
#else
#define INPAINTX_HD inline
#endif
