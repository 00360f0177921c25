// Kernels with one fault each, and one without: what the emulation must say is in tests/test_emulation.py.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>
#include <string>

namespace {

__global__ void sound(float* out) {  // a sum over each block, in a fixed order, then over blocks by an atomic
  __shared__ float part[64];
  part[threadIdx.x] = float(threadIdx.x);
  __syncthreads();
  for (unsigned half = 32; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
  float lanes = __shfl_xor_sync(0xffffffff, 1.0f, 1);
  if (threadIdx.x == 0) atomicAdd(out, part[0] + lanes);
}

__global__ void bits(float* out) {  // of a word: distance to the first and the last bit that is set, and shifts of two
  const unsigned word = 0x00f00010u, next = 0x80000001u;
  const bool right = __clz(word) == 8 && __clz(0) == 32 && __clz(__brev(word)) == 4 &&
                     __funnelshift_l(word, next, 4) == 0x00000010u && __funnelshift_r(word, next, 4) == 0x100f0001u &&
                     __funnelshift_l(word, next, 0) == next && __funnelshift_r(word, next, 0) == word;
  out[threadIdx.x] = right;
}

__global__ void unwritten(float* out) {
  __shared__ float part[64];
  out[blockIdx.x * blockDim.x + threadIdx.x] = part[threadIdx.x];
}

template <int kThreads>
__global__ void carried_over(float* out) {
  __shared__ float part[kThreads];
  if (blockIdx.x == 0) part[threadIdx.x] = 1;
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = part[threadIdx.x];
}

__global__ void both_arms(float* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    out[threadIdx.x] = 1;
    __syncthreads();
  }
}

__global__ void left_out(float* out) {
  if (threadIdx.x % 2) out[threadIdx.x] = __shfl_sync(0xffffffff, out[threadIdx.x], 1);
  __syncthreads();
}

__global__ void without_itself(float* out) { out[threadIdx.x] = __shfl_sync(0x0000ffff, out[threadIdx.x], 0); }

__global__ void from_outside(float* out) {
  if (threadIdx.x % 32 < 16) out[threadIdx.x] = __shfl_sync(0x0000ffff, out[threadIdx.x], 20);
}

__global__ void plain_sum(float* out) { out[0] += 1; }

__global__ void missing_barrier(float* out) {
  __shared__ float part[64];
  part[threadIdx.x] = 1;
  out[blockIdx.x * blockDim.x + threadIdx.x] = part[63 - threadIdx.x];
}

void run(const std::string& fault, float* out) {
  if (fault == "sound") sound<<<2, 64>>>(out);
  if (fault == "bits") bits<<<1, 64>>>(out);
  if (fault == "unwritten") unwritten<<<2, 64>>>(out);
  if (fault == "carried_over") carried_over<64><<<2, 64>>>(out);
  if (fault == "both_arms") both_arms<<<2, 64>>>(out);
  if (fault == "left_out") left_out<<<2, 64>>>(out);
  if (fault == "without_itself") without_itself<<<2, 64>>>(out);
  if (fault == "from_outside") from_outside<<<2, 64>>>(out);
  if (fault == "plain_sum") plain_sum<<<2, 64>>>(out);
  if (fault == "missing_barrier") missing_barrier<<<2, 64>>>(out);
  if (fault == "large_shared") sound<<<2, 64, 49 << 10>>>(out);
}

}  // namespace

int main(int, char** arguments) {
  for (char** fault = arguments + 1; *fault; ++fault) {
    alignas(32) static float out[128];
    std::fill(std::begin(out), std::end(out), 0.0f);
    std::string said;
    try {
      run(*fault, out);
      const cudaError_t error = cudaGetLastError();
      if (error != cudaSuccess) said = cudaGetErrorString(error);
    } catch (const std::exception& e) {
      said = e.what();
    }
    if (said.empty()) said = "nothing, out[0] = " + std::to_string(out[0]) + ", out[127] = " + std::to_string(out[127]);
    std::printf("%s|%s\n", *fault, said.c_str());
  }
}
