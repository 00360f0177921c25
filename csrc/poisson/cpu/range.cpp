// Passes over the spans of the photo's grid that look at magnitudes alone. They run on data that a pass of smoothing
// has just touched, and only where a solve's end or its data's range is in question.
#include "poisson/cpu/range.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/isa.h"
#include "common/parallel.h"

namespace inpaintx::poisson {
namespace {

// Between these no square of a value that counts leaves float32's range, down to residuals of a ten millionth.
constexpr double kSmallNorm = 1e-6, kLargeNorm = 1e12;

// pixel(y, x) for those whose values count, in raster order, in the calling thread: a solve seldom asks.
template <class Pixel>
void over_pixels(const Level& level, Among among, const Pixel& pixel) {
  for (int y = 0; y < level.h; ++y) {
    for (int64_t s = level.first[y]; s < level.first[y + 1]; ++s) {
      const Span& span = level.spans[s];
      if (among == Among::mixed && span.uniform()) continue;
      for (int x = span.x0; x < std::min(level.w, span.x1); ++x) pixel(y, x);
    }
  }
}

INPAINTX_CLONES float largest_of(const float* values, int n) {
  float most = 0;
#pragma omp simd reduction(max : most)
  for (int i = 0; i < n; ++i) most = std::max(most, std::abs(values[i]));
  return most;
}

}  // namespace

template <class T>
double largest(const Level& level, const HalfRows<T>& values, int channel, Among among) {
  double most = 0;
  over_pixels(level, among, [&](int y, int x) {
    const double value = std::abs(double(values.pixel(y, channel, x)));
    most = std::isfinite(value) ? std::max(most, value) : std::numeric_limits<double>::infinity();
  });
  return most;
}

template <class T>
double largest_residual(const Level& level, const HalfRows<T>& v, const HalfRows<T>* rhs, int channel) {
  double most = 0;
  over_pixels(level, Among::mixed, [&](int y, int x) {
    if (!level.mask_row(y)[x]) return;
    const T here = v.pixel(y, channel, x);
    T residual = rhs ? rhs->pixel(y, channel, x) : T(0);
    for (const auto& [ny, nx] : {std::pair(y - 1, x), {y + 1, x}, {y, x - 1}, {y, x + 1}}) {
      if (ny >= 0 && nx >= 0 && ny < level.h && nx < level.w) residual += v.pixel(ny, channel, nx) - here;
    }
    most = std::max(most, std::abs(double(residual)));
  });
  return most;
}

template <class T>
std::vector<int> bring_near_one(const Level& level, const HalfRows<T>& values, Among among,
                                const std::vector<double>& norms) {
  std::vector<int> exponents(norms.size(), 0);
  bool any = false;
  for (int c = 0; c < int(norms.size()); ++c) {
    if (norms[c] >= kSmallNorm && norms[c] <= kLargeNorm) continue;
    const double most = largest(level, values, c, among);
    if (most == 0) continue;
    // A power of two, so that scaling changes no bit of a mantissa and the result does not depend on it.
    const int exponent = exponents[c] = std::isfinite(most) ? std::ilogb(most) : kSpoilt;
    any |= exponent != 0;
    over_pixels(level, among, [&](int y, int x) {
      T& value = values.pixel(y, c, x);
      value = exponent == kSpoilt ? T(0) : std::ldexp(value, -exponent);
    });
  }
  return any ? exponents : std::vector<int>();
}

template <class T>
void bring_back(const Level& level, const HalfRows<T>& values, const std::vector<int>& exponents) {
  for (int c = 0; c < int(exponents.size()); ++c) {
    if (exponents[c] == 0) continue;
    over_pixels(level, Among::all, [&](int y, int x) {
      T& value = values.pixel(y, c, x);
      value = exponents[c] == kSpoilt ? std::numeric_limits<T>::quiet_NaN() : std::ldexp(value, exponents[c]);
    });
  }
}

// The largest of a row is found by whoever has the row, the largest of all afterwards: a maximum has no order.
std::vector<double> corrections(const Level& coarse, const Rows<float>& value) {
  const int channels = value.channels;
  std::vector<float> rows(size_t(coarse.h) * channels, 0.f);
  parallel_for(0, coarse.h, rows_per_task(coarse.w, 0.5), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int64_t s = coarse.first[y]; s < coarse.first[y + 1]; ++s) {
        const Span& span = coarse.spans[s];
        for (int c = 0; c < channels; ++c) {
          float& most = rows[y * channels + c];
          most = std::max(most, largest_of(value.at(int(y), c) + span.x0, std::min(coarse.w, span.x1) - span.x0));
        }
      }
    }
  });
  std::vector<double> most(channels, 0.);
  for (size_t i = 0; i < rows.size(); ++i) most[i % channels] = std::max(most[i % channels], double(rows[i]));
  return most;
}

#define INSTANTIATE(T)                                                                                           \
  template double largest(const Level&, const HalfRows<T>&, int, Among);                                         \
  template double largest_residual(const Level&, const HalfRows<T>&, const HalfRows<T>*, int);                   \
  template std::vector<int> bring_near_one(const Level&, const HalfRows<T>&, Among, const std::vector<double>&); \
  template void bring_back(const Level&, const HalfRows<T>&, const std::vector<int>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace inpaintx::poisson
