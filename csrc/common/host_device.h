// math.h of every op is plain C++ on the host and device code under nvcc.
#pragma once

#if defined(__CUDACC__)
#define INPAINTX_HD __host__ __device__ __forceinline__
#else
#define INPAINTX_HD inline
#endif
