// Vectors of kLanes floats for correlation_kernel.h, which is included where kLanes is defined.

template <int64_t n>
struct Floats {
  typedef float Type __attribute__((vector_size(n * sizeof(float))));
  typedef float Loose __attribute__((vector_size(n * sizeof(float)), aligned(sizeof(float))));
};
using Vector = Floats<kLanes>::Type;
using Index = int32_t __attribute__((vector_size(kLanes * sizeof(float))));

template <int64_t n = kLanes>
inline typename Floats<n>::Type load(const float* from) {
  return *reinterpret_cast<const typename Floats<n>::Loose*>(from);
}
template <int64_t n = kLanes>
inline void store(float* to, typename Floats<n>::Type v) {
  *reinterpret_cast<typename Floats<n>::Loose*>(to) = v;
}
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

// Rows to columns, in log2(kLanes) steps of exchanged halves.
inline void transpose(Vector (&v)[kLanes]) {
#pragma GCC unroll 4
  for (int64_t half = 1; half < kLanes; half *= 2) {
    Index low, high;
    for (int i = 0; i < kLanes; ++i) {
      low[i] = i & half ? i - half + kLanes : i;
      high[i] = i & half ? i + kLanes : i + half;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if (i & half) continue;
      const Vector a = v[i], b = v[i + half];
      v[i] = __builtin_shuffle(a, b, low);
      v[i + half] = __builtin_shuffle(a, b, high);
    }
  }
}
