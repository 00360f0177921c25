// Probability maps on CUDA. Both kinds begin with the known pixels as bits, 32 rows of a column a word: an image of
// 1024 x 1024 is 128 KB then, and stays in the second-level cache.
//
// Hard: the chessboard distance, down the columns by the words' leading zeros and then along the rows, looked up in a
// table of powers. Each thread looks no further than the nearest known pixel found so far or the cap, so that the cost
// is that of the distances in the image. Improved: several of the n steps a launch, on tiles in shared memory with a
// rim as wide as the steps reach.
#include <algorithm>
#include <utility>

#include "common/cuda_check.h"
#include "spd_map/kernels.h"
#include "spd_map/math.h"

namespace inpaintx::spd_map::cuda {
namespace {

template <typename mask_t>
__global__ void pack_kernel(Map<mask_t> m, uint32_t* bits) {
  const int64_t words = m.words();
  INPAINTX_GRID_LOOP(i, m.batch * words * m.width) {
    const int64_t x = i % m.width, top = i / m.width % words * 32, b = i / (m.width * words);
    const int rows = static_cast<int>(min(m.height - top, int64_t(32)));
    const mask_t* mask = m.mask + (b * m.height + top) * m.width + x;
    uint32_t known = 0;
    for (int row = 0; row < rows; ++row) known |= static_cast<uint32_t>(!is_hole(mask[row * m.width])) << row;
    bits[i] = known;
  }
}

// --- hard ---

// powers[d]: the map's value at distance d from the known region; at `far` that of pixels which n steps do not reach.
template <typename mask_t>
__global__ void powers_kernel(Map<mask_t> m, float* powers, int32_t far) {
  INPAINTX_GRID_LOOP(d, far + 1) {
    const int64_t reached = d < far ? ring(d, m.radius, m.n) : m.n;
    powers[d] = d == 0 ? 1.0f : static_cast<float>(pow(m.k, -static_cast<double>(reached)));
  }
}

// The columns of one image in words, and a row that distances are asked for.
struct Columns {
  const uint32_t* bits;  // [words, width]
  int32_t words, width, row;

  __device__ uint32_t word(int32_t i, int32_t x) const {
    return i >= 0 && i < words ? bits[static_cast<int64_t>(i) * width + x] : 0;
  }
  // Distance along column x to the nearest known pixel, at most far; the 32 rows up and down are looked at at once.
  __device__ int32_t distance(int32_t x, int32_t far) const {
    if (x < 0 || x >= width) return far;
    const int32_t here = row / 32, bit = row % 32;
    for (int32_t k = 0; 32 * k < far; ++k) {
      const uint32_t up = __funnelshift_l(word(here - k - 1, x), word(here - k, x), 31 - bit);
      const uint32_t down = __funnelshift_r(word(here + k, x), word(here + k + 1, x), bit);
      const int32_t nearest = min(__clz(up), __clz(__brev(down)));
      if (nearest < 32) return min(32 * k + nearest, far);
    }
    return far;
  }
};

constexpr int32_t kMostRim = 128;  // columns on either side of a block's pixels whose distances it keeps

// The chessboard distance max(|dx|, |dy|) to the nearest known pixel is the least over the row of max(|dx|, distance
// along that column): a candidate further along the row than the best so far cannot be nearer. A block takes a row's
// next kThreads pixels.
template <typename mask_t>
__global__ void hard_kernel(Map<mask_t> m, const uint32_t* bits, const float* powers, int32_t far) {
  __shared__ int32_t columns[kThreads + 2 * kMostRim];
  const int32_t width = static_cast<int32_t>(m.width), words = static_cast<int32_t>(m.words());
  const int32_t rim = min(far, kMostRim);
  const int64_t segments = (m.width + kThreads - 1) / kThreads;
  for (int64_t i = blockIdx.x; i < m.batch * m.height * segments; i += gridDim.x) {  // alike for all its threads
    const int64_t line = i / segments, b = line / m.height;
    const int32_t first = static_cast<int32_t>(i % segments) * kThreads, x = first + static_cast<int32_t>(threadIdx.x);
    const Columns image{bits + b * words * width, words, width, static_cast<int32_t>(line % m.height)};
    for (int32_t c = threadIdx.x; c < kThreads + 2 * rim; c += kThreads) {
      columns[c] = image.distance(first - rim + c, far);
    }
    __syncthreads();
    if (x < width) {
      const int32_t* own = columns + rim + threadIdx.x;
      int32_t best = own[0], d = 1;
      for (; d < best && d <= rim; ++d) best = min(best, max(d, min(own[-d], own[d])));
      for (; d < best; ++d) best = min(best, max(d, min(image.distance(x - d, best), image.distance(x + d, best))));
      m.map[line * m.width + x] = powers[best];
    }
    __syncthreads();
  }
}

// --- improved ---

constexpr int kSide = 64;                     // pixels of a tile with its rim, each way
constexpr int kLines = kThreads / kSide;      // rows that a block's threads take at a time
constexpr int kTurns = kSide / kLines;        // how often: the pixels of a thread
constexpr int kMostSteps = 8, kTileRim = 12;  // of a launch; a wider rim would leave too little of the tile

// Steps of a launch; 0 where not even one fits.
int steps_at_once(int64_t radius) { return static_cast<int>(std::min<int64_t>(kTileRim / radius, kMostSteps)); }

// next = now after `steps` steps; now is null before the first, when only known pixels have a value. Known pixels keep
// theirs and those beyond the image their 0, so that a step writes hole pixels alone. What lies in the rim is wrong
// after a step from the tile's edge inwards, by a radius each: the rest is written.
template <typename mask_t>
__global__ void tile_kernel(Map<mask_t> m, const uint32_t* bits, const float* now, float* next, int steps) {
  __shared__ float values[kSide][kSide];
  __shared__ float sums[kSide][kSide];  // down the columns of the window
  const int radius = static_cast<int>(m.radius), rim = steps * radius, side = kSide - 2 * rim;
  const int64_t across = (m.width + side - 1) / side, down = (m.height + side - 1) / side;
  const int column = threadIdx.x % kSide, line = threadIdx.x / kSide;
  for (int64_t i = blockIdx.x; i < m.batch * across * down; i += gridDim.x) {  // alike for all its threads
    const int64_t b = i / (across * down), x = i % across * side - rim + column;
    const int64_t top = i / across % down * side - rim;
    const bool inside = x >= 0 && x < m.width;
    uint32_t holes = 0;  // of this thread's pixels
    for (int turn = 0; turn < kTurns; ++turn) {
      const int row = turn * kLines + line;
      const int64_t y = top + row;
      float value = 0;
      if (inside && y >= 0 && y < m.height) {
        const bool known = bits[(b * m.words() + y / 32) * m.width + x] >> (y % 32) & 1;
        holes |= static_cast<uint32_t>(!known) << turn;
        value = known ? 1.0f : now ? now[(b * m.height + y) * m.width + x] : 0.0f;
      }
      values[row][column] = value;
    }
    for (int step = 0; step < steps; ++step) {
      __syncthreads();
      for (int row = line; row < kSide; row += kLines) {
        float sum = 0;
        for (int v = max(row - radius, 0); v <= min(row + radius, kSide - 1); ++v) sum += values[v][column];
        sums[row][column] = sum;
      }
      __syncthreads();
      for (int turn = 0; turn < kTurns; ++turn) {
        if (!(holes >> turn & 1)) continue;
        const int row = turn * kLines + line;
        float sum = 0;
        for (int u = max(column - radius, 0); u <= min(column + radius, kSide - 1); ++u) sum += sums[row][u];
        values[row][column] = improved_step(true, values[row][column], sum, m.per_area, m.freeze);
      }
    }
    for (int row = line; row < kSide - rim; row += kLines) {
      const bool own = inside && top + row < m.height && row >= rim && column >= rim && column < kSide - rim;
      if (own) next[(b * m.height + top + row) * m.width + x] = values[row][column];
    }
    __syncthreads();
  }
}

// One step, for windows that are too wide for a tile.
template <typename mask_t>
__global__ void step_kernel(Map<mask_t> m, const float* now, float* next) {
  INPAINTX_GRID_LOOP(i, m.batch * m.height * m.width) {
    const int64_t x = i % m.width, y = i / m.width % m.height;
    float sum = 0;
    if (is_hole(m.mask[i])) {
      for (int64_t v = max(-m.radius, -y); v <= min(m.radius, m.height - 1 - y); ++v) {
        for (int64_t u = max(-m.radius, -x); u <= min(m.radius, m.width - 1 - x); ++u) sum += now[i + v * m.width + u];
      }
    }
    next[i] = improved_step(is_hole(m.mask[i]), now[i], sum, m.per_area, m.freeze);
  }
}

template <typename mask_t>
void pack(const Map<mask_t>& m, uint32_t* bits, cudaStream_t stream) {
  pack_kernel<<<blocks_for(m.batch * m.words() * m.width), kThreads, 0, stream>>>(m, bits);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

template <typename mask_t>
void hard(const Map<mask_t>& m, uint32_t* bits, float* powers, Stream queue) {
  if (m.batch * m.height * m.width == 0) return;
  const auto stream = cuda_stream(queue);
  const auto far = static_cast<int32_t>(m.reach() + 1);
  pack(m, bits, stream);
  powers_kernel<<<blocks_for(far + 1), kThreads, 0, stream>>>(m, powers, far);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  const int64_t segments = (m.width + kThreads - 1) / kThreads;
  hard_kernel<<<blocks_for(m.batch * m.height * segments, 1), kThreads, 0, stream>>>(
      m, static_cast<const uint32_t*>(bits), static_cast<const float*>(powers), far);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename mask_t>
void improved(const Map<mask_t>& m, uint32_t* bits, float* scratch, Stream queue) {
  const int64_t total = m.batch * m.height * m.width;
  if (total == 0) return;
  const auto stream = cuda_stream(queue);
  const int64_t n = m.radius == 0 ? 0 : m.n;  // a window of one pixel changes nothing
  const int at_once = n == 0 ? 0 : steps_at_once(m.radius);
  const auto tiles = [&](const float* now, float* next, int steps) {
    const int64_t side = kSide - 2 * steps * m.radius;
    const int64_t count = m.batch * ((m.width + side - 1) / side) * ((m.height + side - 1) / side);
    tile_kernel<<<blocks_for(count, 1), kThreads, 0, stream>>>(m, static_cast<const uint32_t*>(bits), now, next, steps);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  };
  const int64_t launches = at_once > 0 ? (n + at_once - 1) / at_once : n + 1;
  // start in the buffer from which the swaps end in the map
  float *now = launches % 2 ? scratch : m.map, *next = launches % 2 ? m.map : scratch;
  pack(m, bits, stream);
  tiles(nullptr, next, static_cast<int>(std::min<int64_t>(n, at_once)));
  for (int64_t launch = 1; launch < launches; ++launch) {
    std::swap(now, next);
    if (at_once > 0) {
      tiles(now, next, static_cast<int>(std::min<int64_t>(n - launch * at_once, at_once)));
      continue;
    }
    step_kernel<<<blocks_for(total), kThreads, 0, stream>>>(m, static_cast<const float*>(now), next);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
  }
}

template void hard(const Map<uint8_t>&, uint32_t*, float*, Stream);
template void hard(const Map<float>&, uint32_t*, float*, Stream);
template void improved(const Map<uint8_t>&, uint32_t*, float*, Stream);
template void improved(const Map<float>&, uint32_t*, float*, Stream);

}  // namespace inpaintx::spd_map::cuda
