// CUDA kernels on the CPU, for tests where there is no GPU: the sources of *.cu, compiled as C++ and run thread by
// thread. Found instead of the toolkit's header by builds with INPAINTX_EMULATE_CUDA; see translate.py.
//
// A thread of a block runs until a barrier; only then does the next one go on, so that the order of threads is known
// and can be turned round (INPAINTX_EMULATE_ORDER=reverse): a result that depends on it is a race. What hardware lets
// pass or leaves undefined is an error here, or spoils the result: see emulation.cpp and, for races, race.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct float2 {
  float x, y;
};
struct float3 {
  float x, y, z;
};
struct float4 {
  float x, y, z, w;
};
struct int2 {
  int x, y;
};
struct int4 {
  int x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess, cudaErrorInvalidConfiguration };
enum cudaMemcpyKind { cudaMemcpyDeviceToDevice };
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);

extern dim3 threadIdx, blockIdx, blockDim, gridDim;  // of the thread that runs now
constexpr int warpSize = 32;

namespace inpaintx::emulate {

struct Launch {
  dim3 grid, block;
  size_t shared = 0;
  cudaStream_t stream = nullptr;
};

void run_grid(const char* name, const Launch& launch, const std::function<void()>& kernel);
void* dynamic_shared();  // as much as the launch asked for
void* static_shared(unsigned line, size_t bytes);
// The array that is declared in a line of a kernel; translate.py puts it in place of __shared__.
template <typename T>
T& static_shared(unsigned line) {
  return *static_cast<T*>(static_shared(line, sizeof(T)));
}
// Of the whole block, or of the lanes of a mask. `line`: where in the source, for threads must meet at one place.
void wait_for_block(unsigned line);
void wait_for_warp(unsigned mask, unsigned line);
void* slot(unsigned lane);  // eight bytes of each thread of the warp, for shuffles
// Checks that a shuffle reads from a lane that takes part.
void check_source_lane(unsigned mask, unsigned from, unsigned line);

// Not instrumented: the emulation's own work, and atomics, are no accesses of a kernel that could race.
#define CUDA_EMULATION_OWN __attribute__((no_sanitize("thread"), noinline))

template <typename Kernel, typename... Args>
void launch(const char* name, const Launch& config, Kernel kernel, Args... args) {
  run_grid(name, config, [&]() CUDA_EMULATION_OWN { kernel(args...); });
}

template <typename T>
CUDA_EMULATION_OWN T shuffle(unsigned mask, T value, unsigned from, unsigned line) {
  static_assert(sizeof(T) <= 8);
  check_source_lane(mask, from, line);
  std::memcpy(slot(threadIdx.x % warpSize), &value, sizeof(T));
  wait_for_warp(mask, line);
  std::memcpy(&value, slot(from % warpSize), sizeof(T));
  wait_for_warp(mask, line);
  return value;
}

}  // namespace inpaintx::emulate

inline void __syncthreads(unsigned line = __builtin_LINE()) { inpaintx::emulate::wait_for_block(line); }
inline void __syncwarp(unsigned mask = ~0u, unsigned line = __builtin_LINE()) {
  inpaintx::emulate::wait_for_warp(mask, line);
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int from, unsigned line = __builtin_LINE()) {
  return inpaintx::emulate::shuffle(mask, value, from, line);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, unsigned line = __builtin_LINE()) {
  return inpaintx::emulate::shuffle(mask, value, threadIdx.x % warpSize ^ bits, line);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, unsigned line = __builtin_LINE()) {
  const unsigned lane = threadIdx.x % warpSize;
  return inpaintx::emulate::shuffle(mask, value, lane + by < warpSize ? lane + by : lane, line);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, unsigned line = __builtin_LINE()) {
  const unsigned lane = threadIdx.x % warpSize;
  return inpaintx::emulate::shuffle(mask, value, lane >= by ? lane - by : lane, line);
}
template <typename T>
T __ldg(const T* at) {
  return *at;
}
template <typename T>
CUDA_EMULATION_OWN T atomicAdd(T* at, T value) {
  const T before = *at;
  *at += value;
  return before;
}
template <typename T>
CUDA_EMULATION_OWN T atomicMax(T* at, T value) {
  const T before = *at;
  *at = std::max(before, value);
  return before;
}
template <typename T>
CUDA_EMULATION_OWN T atomicMin(T* at, T value) {
  const T before = *at;
  *at = std::min(before, value);
  return before;
}

using std::max;
using std::min;
// as CUDA has them: of two integer types, and of integer and floating point
template <typename A, typename B>
constexpr auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return T(a) < T(b) ? T(b) : T(a);
}
template <typename A, typename B>
constexpr auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return T(b) < T(a) ? T(b) : T(a);
}
// Shifts of hi:lo, by at most 31: its upper word after one to the left, its lower one after one to the right.
inline unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned by) {
  return unsigned((uint64_t(hi) << 32 | lo) << (by & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned by) {
  return unsigned((uint64_t(hi) << 32 | lo) >> (by & 31));
}
inline int __clz(unsigned bits) { return bits ? __builtin_clz(bits) : 32; }
inline unsigned __brev(unsigned bits) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (bits >> i & 1) << (31 - i);
  return reversed;
}
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return std::exp(x); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __int_as_float(int x) {
  float f;
  std::memcpy(&f, &x, 4);
  return f;
}
inline int __float_as_int(float x) {
  int i;
  std::memcpy(&i, &x, 4);
  return i;
}
inline long long __double_as_longlong(double x) {
  long long i;
  std::memcpy(&i, &x, 8);
  return i;
}
inline double __longlong_as_double(long long x) {
  double f;
  std::memcpy(&f, &x, 8);
  return f;
}
