// Vectors of kLanes floats. Included in a namespace of its own that is compiled for one instruction set and defines
// kLanes; so without #pragma once. gcc's vector types rather than intrinsics: one text serves AVX2 and AVX-512.

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

// Exchanges the second halves of each 2 * half floats of a for the first halves of b's. The indices are known to the
// compiler only as such a list.
template <int half, int... i>
inline void exchange(Vector& a, Vector& b, std::integer_sequence<int, i...>) {
  const Vector first = __builtin_shuffle(a, b, Index{(i & half ? i - half + int(kLanes) : i)...});
  b = __builtin_shuffle(a, b, Index{(i & half ? i + int(kLanes) : i + half)...});
  a = first;
}

// Rows to columns, in log2(kLanes) steps of exchanged halves.
template <int half = 1>
inline void transpose(Vector (&v)[kLanes]) {
  if constexpr (half < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if (!(i & half)) exchange<half>(v[i], v[i + half], std::make_integer_sequence<int, kLanes>());
    }
    transpose<2 * half>(v);
  }
}
