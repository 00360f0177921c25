// PatchMatch on CUDA: a thread a target pixel, propagation by jump flooding (Rong and Tan 2006) with offsets 8, 4, 2,
// 1. A pass reads the field of the pass before and writes another one, so that the result does not depend on the order
// of threads. Raster order as on the CPU has no parallel form: a pixel there reads what its neighbor found in the same
// pass. So the two backends give different fields of like quality, and each is reproducible.
//
// A block takes a square of the target, whose windows it keeps in shared memory for all attempts of a pass; windows or
// channels that are too many for it are read where they lie.
#include <algorithm>
#include <utility>

#include "common/cuda_check.h"
#include "patchmatch/kernels.h"
#include "patchmatch/math.h"

namespace inpaintx::patchmatch::cuda {
namespace {

constexpr int kTile = 16;  // side of a block's square
static_assert(kTile * kTile == kThreads);
constexpr int64_t kSharedMemory = 48 << 10;  // of a block, without asking for more

// A target pixel at work: its best match so far, and the cost of that. `target` is the pixel itself, in the image or in
// a copy of its surroundings, whose rows lie `stride` values apart.
template <typename acc_t>
struct Pixel {
  const Search<acc_t>& a;
  const acc_t* target;
  int64_t stride;
  int64_t b, y, x;
  int32_t row, column;
  acc_t best;

  __device__ acc_t distance(int64_t sy, int64_t sx, acc_t limit) const {
    const int64_t r = a.kernel_size / 2, c = a.channels;
    const int64_t up = lesser(r, y), left = lesser(r, x);  // only pixels inside the target image count
    const int64_t rows = up + 1 + lesser(r, a.height - 1 - y), columns = left + 1 + lesser(r, a.width - 1 - x);
    return ssd(a.source + ((b * a.source_height + sy - up) * a.source_width + sx - left) * c,
               target - up * stride - left * c, rows, columns * c, a.source_width * c, stride, limit);
  }

  __device__ bool candidate(int64_t sy, int64_t sx) const {
    const int64_t at = (b * a.source_height + sy) * a.source_width + sx;
    return sy >= 0 && sx >= 0 && sy < a.source_height && sx < a.source_width && a.flags[at];
  }

  __device__ void attempt(int64_t sy, int64_t sx) {
    if (!candidate(sy, sx) || (sy == row && sx == column)) return;
    const acc_t d = distance(sy, sx, best);
    if (d < best) {
      best = d;
      row = static_cast<int32_t>(sy);
      column = static_cast<int32_t>(sx);
    }
  }
};

// Candidates are the source pixels whose whole patch lies inside the image and is valid.
template <typename acc_t>
__global__ void candidate_kernel(Search<acc_t> a) {
  const int64_t r = a.kernel_size / 2, h = a.source_height, w = a.source_width;
  INPAINTX_GRID_LOOP(i, a.batch * h * w) {
    const int64_t y = i / w % h, x = i % w;
    bool all = y >= r && x >= r && y + r < h && x + r < w;
    for (int64_t v = -r; all && v <= r; ++v) {
      for (int64_t u = -r; all && u <= r; ++u) all = a.valid[i + v * w + u];
    }
    a.flags[i] = all;
  }
}

// The number'th candidate of an image, counted from 0, by bisection of the running count.
template <typename acc_t>
__device__ int64_t pick(const Search<acc_t>& a, int64_t b, int64_t number) {
  const int64_t pixels = a.source_height * a.source_width;
  const int64_t* count = a.counts + b * pixels;
  int64_t low = 0, high = pixels - 1;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (count[middle] > number) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

template <typename acc_t>
// A first match for each wanted pixel: the given one where it is a candidate, else one at random, the same as the
// CPU's.
__global__ void start_kernel(Search<acc_t> a, acc_t* best) {
  const int64_t pixels = a.height * a.width, source_pixels = a.source_height * a.source_width;
  INPAINTX_GRID_LOOP(i, a.batch * pixels) {
    const int64_t b = i / pixels, total = a.counts[(b + 1) * source_pixels - 1];
    if (total == 0 || (a.where && !a.where[i])) {
      a.nnf[2 * i] = a.nnf[2 * i + 1] = -1;
      best[i] = static_cast<acc_t>(INFINITY);
      continue;
    }
    const int64_t stride = a.width * a.channels;
    Pixel<acc_t> p{
        a, a.target + i * a.channels, stride, b, i / a.width % a.height, i % a.width, a.nnf[2 * i], a.nnf[2 * i + 1],
        0};
    if (!p.candidate(p.row, p.column)) {
      const int64_t at = pick(a, b, below(random_bits(a.seed, 0, p.y, p.x, 0), total));
      a.nnf[2 * i] = static_cast<int32_t>(at / a.source_width);
      a.nnf[2 * i + 1] = static_cast<int32_t>(at % a.source_width);
    }
    best[i] = p.distance(a.nnf[2 * i], a.nnf[2 * i + 1], static_cast<acc_t>(INFINITY));
  }
}

template <typename acc_t>
// Propagation from the eight pixels `offset` away, from field `now` to field `next`. best is read and written at the
// thread's own pixel alone. The number of attempts differs among the threads of a warp; most differences end after a
// row. `tiled`: the launch has shared memory for a square's windows.
__global__ void jump_kernel(Search<acc_t> a, const int32_t* now, int32_t* next, acc_t* best, int64_t iteration,
                            int64_t offset, bool tiled) {
  extern __shared__ double memory[];
  acc_t* tile = reinterpret_cast<acc_t*>(memory);
  const int64_t h = a.height, w = a.width, c = a.channels, r = a.kernel_size / 2;
  const int64_t span = kTile + 2 * r, across = (w + kTile - 1) / kTile, down = (h + kTile - 1) / kTile;
  for (int64_t square = blockIdx.x; square < a.batch * across * down; square += gridDim.x) {  // alike for all threads
    const int64_t b = square / (across * down), top = square / across % down * kTile, left = square % across * kTile;
    if (tiled) {
      for (int64_t k = threadIdx.x; k < span * span * c; k += kThreads) {
        const int64_t y = top - r + k / (span * c), x = left - r + k / c % span;
        const bool inside = y >= 0 && x >= 0 && y < h && x < w;
        tile[k] = inside ? a.target[((b * h + y) * w + x) * c + k % c] : acc_t(0);
      }
      __syncthreads();
    }
    const int64_t row = threadIdx.x / kTile, column = threadIdx.x % kTile, y = top + row, x = left + column;
    if (y < h && x < w) {
      const int64_t i = (b * h + y) * w + x;
      Pixel<acc_t> p{a,
                     tiled ? tile + ((row + r) * span + column + r) * c : a.target + i * c,
                     (tiled ? span : w) * c,
                     b,
                     y,
                     x,
                     now[2 * i],
                     now[2 * i + 1],
                     best[i]};
      if (p.row >= 0) {
        for (int64_t v = -offset; v <= offset; v += offset) {
          for (int64_t u = -offset; u <= offset; u += offset) {
            if (y + v < 0 || x + u < 0 || y + v >= h || x + u >= w) continue;
            const int64_t from = i + v * w + u;
            if (now[2 * from] >= 0) p.attempt(now[2 * from] - v, now[2 * from + 1] - u);
          }
        }
        if (offset == 1) {  // the last jump of a round: random search around what was found
          const int64_t cy = p.row, cx = p.column;
          int64_t k = 0;
          for (int64_t radius = max(a.source_height, a.source_width); radius >= 1; radius /= 2, k += 2) {
            const int64_t sy = draw_within(random_bits(a.seed, iteration, y, x, k), cy, radius, a.source_height);
            p.attempt(sy, draw_within(random_bits(a.seed, iteration, y, x, k + 1), cx, radius, a.source_width));
          }
        }
      }
      next[2 * i] = p.row;
      next[2 * i + 1] = p.column;
      best[i] = p.best;
    }
    __syncthreads();
  }
}

template <typename acc_t>
__global__ void cost_kernel(Search<acc_t> a, const acc_t* best) {
  const int64_t r = a.kernel_size / 2;
  INPAINTX_GRID_LOOP(i, a.batch * a.height * a.width) {
    const int64_t y = i / a.width % a.height, x = i % a.width;
    const int64_t rows = lesser(r, y) + 1 + lesser(r, a.height - 1 - y);
    const int64_t columns = lesser(r, x) + 1 + lesser(r, a.width - 1 - x);
    a.cost[i] = static_cast<float>(best[i] / static_cast<acc_t>(rows * columns));
  }
}

}  // namespace

template <typename acc_t>
void find_candidates(const Search<acc_t>& a, Stream queue) {
  const auto stream = cuda_stream(queue);
  candidate_kernel<<<blocks_for(a.batch * a.source_height * a.source_width), kThreads, 0, stream>>>(a);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename acc_t>
void search(const Search<acc_t>& a, int32_t* other_nnf, acc_t* best, Stream queue) {
  const auto stream = cuda_stream(queue);
  const unsigned blocks = blocks_for(a.batch * a.height * a.width);
  start_kernel<<<blocks, kThreads, 0, stream>>>(a, best);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  const int64_t squares = a.batch * ((a.height + kTile - 1) / kTile) * ((a.width + kTile - 1) / kTile);
  const int64_t span = kTile + std::min<int64_t>(a.kernel_size, 1 << 15) - 1;  // of a square's windows
  const bool tiled = span * span * a.channels <= kSharedMemory / static_cast<int64_t>(sizeof(acc_t));
  const size_t bytes = tiled ? sizeof(acc_t) * span * span * a.channels : 0;
  int32_t *now = a.nnf, *next = other_nnf;  // four jumps a round: the last one writes into a.nnf
  for (int64_t iteration = 1; iteration <= a.iterations; ++iteration) {
    for (int64_t offset = 8; offset >= 1; offset /= 2) {
      jump_kernel<<<blocks_for(squares, 1), kThreads, bytes, stream>>>(a, static_cast<const int32_t*>(now), next, best,
                                                                       iteration, offset, tiled);
      INPAINTX_CUDA_CHECK(cudaGetLastError());
      std::swap(now, next);
    }
  }
  cost_kernel<<<blocks, kThreads, 0, stream>>>(a, best);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template void find_candidates(const Search<float>&, Stream);
template void find_candidates(const Search<double>&, Stream);
template void search(const Search<float>&, int32_t*, float*, Stream);
template void search(const Search<double>&, int32_t*, double*, Stream);

}  // namespace inpaintx::patchmatch::cuda
