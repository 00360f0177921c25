// Vectors of kLanes floats. Included in a namespace of its own that is compiled for one instruction set and defines
// kLanes.

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
// As many floats as there are, the others 0; and the first ones of a vector.
inline Vector load_some(const float* from, int64_t count) {
  if (count >= kLanes) return load(from);
  Vector v{};
  for (int64_t i = 0; i < count; ++i) v[i] = from[i];
  return v;
}
inline void store_some(float* to, Vector v, int64_t count) {
  if (count >= kLanes) return store(to, v);
  for (int64_t i = 0; i < count; ++i) to[i] = v[i];
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
