// Vectors of kLanes floats for correlation_kernel.h, which is included where kLanes is defined.

#include "common/vectors.h"

// A vector of rows of n floats that lie `jump` apart.
template <int64_t n>
inline Vector load_rows(const float* from, [[maybe_unused]] int64_t jump) {
  if constexpr (n == kLanes) {
    return load(from);
  } else {
    return __builtin_shufflevector(load<n>(from), load<n>(from + jump), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                   14, 15);
  }
}
template <typename V>
inline V scaled(V value, V factor, V bias) {
  return factor > 0.0f ? value * factor + bias : V{};
}
