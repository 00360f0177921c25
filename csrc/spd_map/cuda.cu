// Probability maps on CUDA. Hard: a separable, capped chessboard distance, down the columns and then along the rows.
// Each thread looks no further than the nearest known pixel found so far or the cap, so that the cost is that of the
// distances in the image. Improved: n gather steps between two buffers; a launch a step, since a step needs all of the
// one before.
#include <utility>

#include "common/cuda_check.h"
#include "spd_map/kernels.h"
#include "spd_map/math.h"

namespace inpaintx::spd_map::cuda {
namespace {

// Distance along the column to the nearest known pixel, at most far.
template <typename mask_t>
__global__ void column_kernel(Map<mask_t> m, int32_t* column, int32_t far) {
  INPAINTX_GRID_LOOP(i, m.batch * m.height * m.width) {
    const int64_t y = i / m.width % m.height;
    int32_t distance = 0;
    for (; distance < far; ++distance) {
      if (y >= distance && !is_hole(m.mask[i - distance * m.width])) break;
      if (y + distance < m.height && !is_hole(m.mask[i + distance * m.width])) break;
    }
    column[i] = distance;
  }
}

// The chessboard distance max(|dx|, |dy|) to the nearest known pixel is the least over the row of max(|dx|, distance
// along that column): a candidate further along the row than the best so far cannot be nearer.
template <typename mask_t>
__global__ void row_kernel(Map<mask_t> m, const int32_t* column, int32_t far) {
  INPAINTX_GRID_LOOP(i, m.batch * m.height * m.width) {
    const int64_t x = i % m.width;
    int32_t best = column[i];
    for (int32_t d = 1; d < best; ++d) {
      if (x >= d) best = min(best, max(d, column[i - d]));
      if (x + d < m.width) best = min(best, max(d, column[i + d]));
    }
    const int64_t reached = best < far ? ring(best, m.radius, m.n) : m.n;
    m.map[i] = best == 0 ? 1.0f : static_cast<float>(pow(m.k, -static_cast<double>(reached)));
  }
}

template <typename mask_t>
__global__ void start_kernel(Map<mask_t> m, float* map) {
  INPAINTX_GRID_LOOP(i, m.batch * m.height * m.width) map[i] = is_hole(m.mask[i]) ? 0.0f : 1.0f;
}

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

}  // namespace

template <typename mask_t>
void hard(const Map<mask_t>& m, int32_t* scratch, Stream stream) {
  const int64_t total = m.batch * m.height * m.width;
  if (total == 0) return;
  const auto far = static_cast<int32_t>(m.reach() + 1);
  column_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(m, scratch, far);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  row_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(m, scratch, far);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
}

template <typename mask_t>
void improved(const Map<mask_t>& m, float* scratch, Stream stream) {
  const int64_t total = m.batch * m.height * m.width;
  if (total == 0) return;
  // start in the buffer from which an even number of swaps ends in the map
  float* now = m.n % 2 ? scratch : m.map;
  float* next = m.n % 2 ? m.map : scratch;
  start_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(m, now);
  INPAINTX_CUDA_CHECK(cudaGetLastError());
  for (int64_t step = 0; step < m.n; ++step) {
    step_kernel<<<blocks_for(total), kThreads, 0, cuda_stream(stream)>>>(m, now, next);
    INPAINTX_CUDA_CHECK(cudaGetLastError());
    std::swap(now, next);
  }
}

template void hard(const Map<uint8_t>&, int32_t*, Stream);
template void hard(const Map<float>&, int32_t*, Stream);
template void improved(const Map<uint8_t>&, float*, Stream);
template void improved(const Map<float>&, float*, Stream);

}  // namespace inpaintx::spd_map::cuda
