// hog on CUDA: a warp a cell, a warp a block, a thread an entry. Sums run in a fixed order: histograms are not built by
// atomics, whose order of additions would change from run to run, but each lane has bins of its own in shared memory,
// which are added up lane after lane. Grids are grid-stride, so that any size works; loops over warps keep all 32 lanes
// together, as the shuffles need.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>

#include "common/cuda_check.h"
#include "hog/kernels.h"
#include "hog/math.h"

namespace inpaintx::hog::cuda {
namespace {

constexpr unsigned kAll = 0xffffffffu;
constexpr int kWarps = kThreads / 32;
constexpr int kPitch = 33;                   // of a bin's lanes, so that neither lanes nor bins share a bank
constexpr int64_t kSharedMemory = 48 << 10;  // of a block, without asking for more

// for (each i below n): a warp takes each, all of its lanes with the same i
#define INPAINTX_WARP_LOOP(i, n)                                                                             \
  for (int64_t i = (blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x) / 32, end_ = (n); i < end_; \
       i += static_cast<int64_t>(gridDim.x) * blockDim.x / 32)

// Magnitude and bin of a pixel, of the channel where the gradient is largest.
template <typename acc_t, typename scalar_t>
__device__ void gradient(const Hog<acc_t, scalar_t>& a, int64_t b, int64_t y, int64_t x, const Edges<acc_t>& e,
                         acc_t& magnitude, int& bin) {
  const bool rows = y > 0 && y < a.height - 1, columns = x > 0 && x < a.width - 1;
  acc_t down = 0, right = 0, square = 0;
  for (int64_t c = 0; c < a.channels; ++c) {
    const scalar_t* at = a.x + ((b * a.channels + c) * a.height + y) * a.width + x;
    const auto along = [&](int64_t step) { return static_cast<acc_t>(at[step]) - static_cast<acc_t>(at[-step]); };
    const acc_t dy = rows ? along(a.width) : acc_t(0), dx = columns ? along(1) : acc_t(0);
    const acc_t m = dy * dy + dx * dx;
    if (m > square) {
      down = dy;
      right = dx;
      square = m;
    }
  }
  magnitude = sqrt(square);
  bin = bin_of(down, right, e, static_cast<int>(a.bins));
}

// raw[cell]: each lane adds its pixels, every 32nd, to its own bins; then a lane sums a bin over the lanes.
template <typename acc_t, typename scalar_t>
__global__ void histogram_kernel(Hog<acc_t, scalar_t> a, Edges<acc_t> e) {
  extern __shared__ double memory[];
  const int lane = threadIdx.x % 32, bins = static_cast<int>(a.bins), cell = static_cast<int>(a.cell);
  acc_t* own = reinterpret_cast<acc_t*>(memory) + threadIdx.x / 32 * bins * kPitch;  // [bins, kPitch], a column a lane
  const int64_t cy = a.cells_y(), cx = a.cells_x(), area = a.cell * a.cell;
  INPAINTX_WARP_LOOP(i, a.batch * cy * cx) {
    const int64_t b = i / (cy * cx), top = i / cx % cy * cell, left = i % cx * cell;
    for (int k = 0; k < bins; ++k) own[k * kPitch + lane] = 0;
    for (int64_t p = lane; p < area; p += 32) {
      acc_t magnitude;
      int bin;
      gradient(a, b, top + p / cell, left + p % cell, e, magnitude, bin);
      own[bin * kPitch + lane] += magnitude;
    }
    __syncwarp();
    for (int k = lane; k < bins; k += 32) {
      acc_t sum = 0;
      for (int from = 0; from < 32; ++from) sum += own[k * kPitch + from];
      a.raw[i * bins + k] = sum / static_cast<acc_t>(area);
    }
    __syncwarp();
  }
}

template <typename acc_t>
__device__ acc_t warp_sum(acc_t value) {
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(kAll, value, bits);
  return value;
}

// L2-Hys of a value of a block: normalized and cut; the second norm is that of the cut ones.
template <typename acc_t>
__device__ acc_t cut(acc_t value, acc_t norm, acc_t clip) {
  return value / norm < clip ? value / norm : clip;
}

// L2-Hys of a block's cells: normalise, clip, normalise again.
template <typename acc_t, typename scalar_t>
__global__ void block_kernel(Hog<acc_t, scalar_t> a) {
  const int lane = threadIdx.x % 32;
  const int64_t by = a.blocks_y(), bx = a.blocks_x(), line = a.block * a.bins, count = a.block * line;
  const acc_t clip = static_cast<acc_t>(a.clip);
  INPAINTX_WARP_LOOP(i, a.batch * by * bx) {
    const int64_t b = i / (by * bx), y = i / bx % by, x = i % bx;
    const acc_t* raw = a.raw + ((b * a.cells_y() + y) * a.cells_x() + x) * a.bins;
    const auto value = [&](int64_t k) { return raw[k / line * a.cells_x() * a.bins + k % line]; };
    acc_t sum = 0;
    for (int64_t k = lane; k < count; k += 32) sum += value(k) * value(k);
    const acc_t norm = sqrt(warp_sum(sum) + acc_t(1e-10));
    sum = 0;
    for (int64_t k = lane; k < count; k += 32) {
      const acc_t v = cut(value(k), norm, clip);
      sum += v * v;
    }
    const acc_t again = sqrt(warp_sum(sum) + acc_t(1e-10));
    for (int64_t k = lane; k < count; k += 32) {
      a.blocks[i * count + k] = static_cast<scalar_t>(cut(value(k), norm, clip) / again);
    }
    if (lane == 0) {
      a.norms[2 * i] = norm;
      a.norms[2 * i + 1] = again;
    }
  }
}

// Each cell averaged over the blocks that contain it.
template <typename acc_t, typename scalar_t>
__global__ void cell_kernel(Hog<acc_t, scalar_t> a) {
  const int64_t cy = a.cells_y(), cx = a.cells_x(), by = a.blocks_y(), bx = a.blocks_x();
  const acc_t clip = static_cast<acc_t>(a.clip);
  INPAINTX_GRID_LOOP(i, a.batch * cy * cx * a.bins) {
    const int64_t x = i / a.bins % cx, y = i / (a.bins * cx) % cy, b = i / (a.bins * cx * cy);
    acc_t sum = 0;
    int count = 0;
    for (int64_t v = max(y - a.block + 1, int64_t(0)); v <= min(y, by - 1); ++v) {
      for (int64_t u = max(x - a.block + 1, int64_t(0)); u <= min(x, bx - 1); ++u, ++count) {
        const acc_t* norms = a.norms + 2 * ((b * by + v) * bx + u);
        sum += cut(a.raw[i], norms[0], clip) / norms[1];
      }
    }
    a.cells[i] = static_cast<scalar_t>(sum / static_cast<acc_t>(count));
  }
}

}  // namespace

template <typename acc_t, typename scalar_t>
void histograms(const Hog<acc_t, scalar_t>& a, Stream queue) {
  const auto stream = cuda_stream(queue);
  const int64_t cells = a.batch * a.cells_y() * a.cells_x(), blocks = a.batch * a.blocks_y() * a.blocks_x();
  if (cells == 0) return;
  const int64_t bytes = a.bins * kPitch * static_cast<int64_t>(sizeof(acc_t));  // of a warp's bins
  const int warps = static_cast<int>(std::min<int64_t>(kSharedMemory / bytes, kWarps));
  histogram_kernel<<<blocks_for(cells, warps), 32 * warps, static_cast<size_t>(warps * bytes), stream>>>(
      a, edges<acc_t>(a.bins));
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  block_kernel<<<blocks_for(blocks, kWarps), kThreads, 0, stream>>>(a);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  cell_kernel<<<blocks_for(cells * a.bins), kThreads, 0, stream>>>(a);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template void histograms(const Hog<float, float>&, Stream);
template void histograms(const Hog<double, double>&, Stream);
template void histograms(const Hog<float, c10::Half>&, Stream);
template void histograms(const Hog<float, c10::BFloat16>&, Stream);

}  // namespace inpaintx::hog::cuda
