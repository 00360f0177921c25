// hog on CUDA: a warp a cell, a warp a block, a thread an entry. Sums run in a fixed order: histograms are not built by
// atomics, whose order of additions would change from run to run, but each lane owns bins and adds the pixels to them
// in raster order. Grids are grid-stride, so that any size works; loops over warps keep all 32 lanes together, as the
// shuffles need.
#include "common/cuda_check.h"
#include "hog/kernels.h"
#include "hog/math.h"

namespace inpaintx::hog::cuda {
namespace {

constexpr unsigned kAll = 0xffffffffu;
constexpr int kWarps = kThreads / 32;

// for (each i below n): a warp takes each, all of its lanes with the same i
#define INPAINTX_WARP_LOOP(i, n)                                                                       \
  for (int64_t i = blockIdx.x * static_cast<int64_t>(kWarps) + threadIdx.x / 32, end_ = (n); i < end_; \
       i += static_cast<int64_t>(gridDim.x) * kWarps)

// Magnitude and bin of a pixel, of the channel where the gradient is largest.
template <typename acc_t>
__device__ void gradient(const Hog<acc_t>& a, int64_t b, int64_t y, int64_t x, const Edges<acc_t>& e, acc_t& magnitude,
                         int& bin) {
  const bool rows = y > 0 && y < a.height - 1, columns = x > 0 && x < a.width - 1;
  acc_t down = 0, right = 0, square = 0;
  for (int64_t c = 0; c < a.channels; ++c) {
    const acc_t* at = a.x + ((b * a.channels + c) * a.height + y) * a.width + x;
    const acc_t dy = rows ? at[a.width] - at[-a.width] : acc_t(0), dx = columns ? at[1] - at[-1] : acc_t(0);
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

// raw[cell]: 32 pixels at a time; each lane then picks those of its own bins, in the order of the pixels.
template <typename acc_t>
__global__ void histogram_kernel(Hog<acc_t> a, Edges<acc_t> e) {
  const int lane = threadIdx.x % 32;
  const int64_t cy = a.cells_y(), cx = a.cells_x(), area = a.cell * a.cell;
  INPAINTX_WARP_LOOP(i, a.batch * cy * cx) {
    const int64_t b = i / (cy * cx), top = i / cx % cy * a.cell, left = i % cx * a.cell;
    acc_t low = 0, high = 0;  // of bins lane and lane + 32
    for (int64_t first = 0; first < area; first += 32) {
      acc_t magnitude = 0;
      int bin = -1;
      const int64_t p = first + lane;
      if (p < area) gradient(a, b, top + p / a.cell, left + p % a.cell, e, magnitude, bin);
      for (int from = 0; from < 32; ++from) {
        const int its = __shfl_sync(kAll, bin, from);
        const acc_t m = __shfl_sync(kAll, magnitude, from);
        low += its == lane ? m : acc_t(0);
        high += its == lane + 32 ? m : acc_t(0);
      }
    }
    if (lane < a.bins) a.raw[i * a.bins + lane] = low / static_cast<acc_t>(area);
    if (lane + 32 < a.bins) a.raw[i * a.bins + lane + 32] = high / static_cast<acc_t>(area);
  }
}

template <typename acc_t>
__device__ acc_t warp_sum(acc_t value) {
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(kAll, value, bits);
  return value;
}

// L2-Hys of a block's cells: normalise, clip, normalise again.
template <typename acc_t>
__global__ void block_kernel(Hog<acc_t> a) {
  const int lane = threadIdx.x % 32;
  const int64_t by = a.blocks_y(), bx = a.blocks_x(), line = a.block * a.bins, count = a.block * line;
  const acc_t clip = static_cast<acc_t>(a.clip);
  INPAINTX_WARP_LOOP(i, a.batch * by * bx) {
    const int64_t b = i / (by * bx), y = i / bx % by, x = i % bx;
    acc_t* out = a.blocks + i * count;
    acc_t sum = 0;
    for (int64_t k = lane; k < count; k += 32) {
      const acc_t v = a.raw[((b * a.cells_y() + y + k / line) * a.cells_x() + x) * a.bins + k % line];
      out[k] = v;
      sum += v * v;
    }
    acc_t norm = sqrt(warp_sum(sum) + acc_t(1e-10));
    sum = 0;
    for (int64_t k = lane; k < count; k += 32) {
      const acc_t v = out[k] / norm < clip ? out[k] / norm : clip;
      out[k] = v;
      sum += v * v;
    }
    norm = sqrt(warp_sum(sum) + acc_t(1e-10));
    for (int64_t k = lane; k < count; k += 32) out[k] /= norm;
  }
}

// Each cell averaged over the blocks that contain it.
template <typename acc_t>
__global__ void cell_kernel(Hog<acc_t> a) {
  const int64_t cy = a.cells_y(), cx = a.cells_x(), by = a.blocks_y(), bx = a.blocks_x();
  INPAINTX_GRID_LOOP(i, a.batch * cy * cx * a.bins) {
    const int64_t k = i % a.bins, x = i / a.bins % cx, y = i / (a.bins * cx) % cy, b = i / (a.bins * cx * cy);
    acc_t sum = 0;
    int count = 0;
    for (int64_t v = max(y - a.block + 1, int64_t(0)); v <= min(y, by - 1); ++v) {
      for (int64_t u = max(x - a.block + 1, int64_t(0)); u <= min(x, bx - 1); ++u, ++count) {
        sum += a.blocks[((((b * by + v) * bx + u) * a.block + y - v) * a.block + x - u) * a.bins + k];
      }
    }
    a.cells[i] = sum / static_cast<acc_t>(count);
  }
}

}  // namespace

template <typename acc_t>
void histograms(const Hog<acc_t>& a, Stream queue) {
  const auto stream = cuda_stream(queue);
  const int64_t cells = a.batch * a.cells_y() * a.cells_x(), blocks = a.batch * a.blocks_y() * a.blocks_x();
  if (cells == 0) return;
  histogram_kernel<<<blocks_for(cells, kWarps), kThreads, 0, stream>>>(a, edges<acc_t>(a.bins));
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  block_kernel<<<blocks_for(blocks, kWarps), kThreads, 0, stream>>>(a);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  cell_kernel<<<blocks_for(cells * a.bins), kThreads, 0, stream>>>(a);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template void histograms(const Hog<float>&, Stream);
template void histograms(const Hog<double>&, Stream);

}  // namespace inpaintx::hog::cuda
