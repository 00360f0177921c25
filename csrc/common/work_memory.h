// Memory for big work arrays, zeroed or not. Faulting a fresh array in, 4 KB at a time, costs more than the arithmetic
// that follows. So what the allocator keeps for the next call comes from it (glibc keeps blocks of less than 32 MB once
// one was freed), and what it would map anew is mapped here, on Linux, with large pages asked for.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace inpaintx {

// Asks for large pages in the part of a fresh array that can have them.
inline void advise_large_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  constexpr size_t kLarge = size_t(2) << 20;
  const size_t from = (reinterpret_cast<size_t>(data) + kLarge - 1) / kLarge * kLarge;
  const size_t to = (reinterpret_cast<size_t>(data) + bytes) / kLarge * kLarge;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

class WorkMemory {
 public:
  WorkMemory() = default;
  // `clear`: else what is in it does not matter, and what is never touched costs nothing.
  explicit WorkMemory(size_t bytes, bool clear = true) : bytes_(bytes) {
    if (bytes == 0) return;
#if defined(__linux__)
    if (bytes >= kMapped) {
      // The spare 2 MB let the array start on a large page, and it ends with one.
      const size_t whole = (bytes + kLarge - 1) / kLarge * kLarge;
      mapped_ = whole + kLarge;
      void* raw = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (raw == MAP_FAILED) throw std::bad_alloc();
      raw_ = raw;
      const auto address = reinterpret_cast<size_t>(raw);
      data_ = reinterpret_cast<void*>((address + kLarge - 1) / kLarge * kLarge);
      advise_large_pages(data_, whole);
      return;
    }
#endif
    raw_ = clear ? std::calloc(bytes + kAlign, 1) : std::malloc(bytes + kAlign);
    if (raw_ == nullptr) throw std::bad_alloc();
    data_ = reinterpret_cast<void*>((reinterpret_cast<size_t>(raw_) + kAlign - 1) / kAlign * kAlign);
  }
  WorkMemory(WorkMemory&& other) noexcept { swap(other); }
  WorkMemory& operator=(WorkMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~WorkMemory() {
#if defined(__linux__)
    if (mapped_ != 0) {
      munmap(raw_, mapped_);
      return;
    }
#endif
    std::free(raw_);
  }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kLarge = size_t(2) << 20, kMapped = size_t(30) << 20, kAlign = 64;

  void swap(WorkMemory& other) {
    std::swap(raw_, other.raw_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_, other.mapped_);
  }

  void* raw_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0, mapped_ = 0;
};

}  // namespace inpaintx
