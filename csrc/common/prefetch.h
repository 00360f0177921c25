// Memory fetched before it is used: what is short, far apart or a plane away the processor does not foresee.
#pragma once

#include <cstdint>

namespace inpaintx {

enum class Use { kRead, kWrite };

// Asks for n elements: into the nearest cache, or into the second where what lies in the first is needed sooner.
template <Use use = Use::kRead, bool nearest = true, class T>
inline void prefetch([[maybe_unused]] const T* first, [[maybe_unused]] int64_t n) {
#if defined(__GNUC__)
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < n; i += kLine) __builtin_prefetch(first + i, use == Use::kWrite, nearest ? 3 : 2);
  if (n > 0) __builtin_prefetch(first + n - 1, use == Use::kWrite, nearest ? 3 : 2);
#endif
}

}  // namespace inpaintx
