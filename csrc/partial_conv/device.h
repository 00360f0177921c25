// What the .cu files here share: neighbors in memory taken at once, and grids whose threads find their place without a
// division.
#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <type_traits>

#include "common/cuda_check.h"
#include "partial_conv/kernels.h"

namespace inpaintx::partial_conv::cuda {

constexpr int64_t kMostBlocks = 65535;  // along the grid's y and z; loops take what is beyond
constexpr int kTogether = 4;            // channels that share what a thread has read of the ratio

// N neighbors, read or written by as few instructions as there are: 16 bytes at most.
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Neighbors {
  T at[N];
};
template <int N, typename T>
__device__ __forceinline__ Neighbors<T, N> load(const T* from) {
  return *reinterpret_cast<const Neighbors<T, N>*>(from);
}
template <int N, typename T>
__device__ __forceinline__ void store(T* to, const Neighbors<T, N>& value) {
  *reinterpret_cast<Neighbors<T, N>*>(to) = value;
}

// Whether rows of `inner` elements, one after the other, can be read so.
template <int N, typename... T>
bool fits(int64_t inner, const T*... rows) {
  return inner % N == 0 && ((reinterpret_cast<uintptr_t>(rows) % alignof(Neighbors<T, N>) == 0) && ...);
}

// Calls launch(std::integral_constant<int, N>) with N elements of scalar_t in 16 bytes, or 1.
template <typename scalar_t, typename F>
void with_width(bool wide, const F& launch) {
  wide ? launch(std::integral_constant<int, 16 / sizeof(scalar_t)>()) : launch(std::integral_constant<int, 1>());
}

inline int64_t divided(int64_t a, int64_t by) { return (a + by - 1) / by; }

// A block of x threads along the axis that lies closest in memory and y along the next; `each` of y's a thread.
struct Threads {
  dim3 grid, block;
};
inline Threads threads_over(int64_t x, int64_t most_x, int64_t y, int64_t each, int64_t batch) {
  unsigned bx = 1, by = 1;
  while (bx < x && bx < most_x) bx *= 2;
  while (by < y && bx * by < kThreads) by *= 2;
  return {dim3(static_cast<unsigned>(std::min<int64_t>(divided(x, bx), 0x7fffffff)),
               static_cast<unsigned>(std::min(divided(y, by * each), kMostBlocks)),
               static_cast<unsigned>(std::min(batch, kMostBlocks))),
          dim3(bx, by)};
}

// for (each of this thread's i below n) along an axis of the grid
#define INPAINTX_ALONG(axis, i, n)                                                                \
  for (int64_t i = blockIdx.axis * static_cast<int64_t>(blockDim.axis) + threadIdx.axis; i < (n); \
       i += static_cast<int64_t>(gridDim.axis) * blockDim.axis)

// Whether any of N windows saw a known pixel. Where none did, the result is 0 whatever lies there, and it is not read.
template <int N, typename acc_t>
__device__ __forceinline__ bool any_seen(const Neighbors<acc_t, N>& ratios) {
  bool any = false;
  for (int k = 0; k < N; ++k) any = any || ratios.at[k] > acc_t(0);
  return any;
}

}  // namespace inpaintx::partial_conv::cuda
