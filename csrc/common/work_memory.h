// Memory for work arrays, zeroed or not; large ones from what earlier calls left.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "common/kept_memory.h"

namespace inpaintx {

class WorkMemory {
 public:
  WorkMemory() = default;
  // `clear`: else what is in it does not matter.
  explicit WorkMemory(size_t bytes, bool clear = true) : bytes_(bytes) {
    if (bytes == 0) return;
    if (bytes < KeptMemory::kLeast) {
      raw_ = clear ? std::calloc(bytes + kAlign, 1) : std::malloc(bytes + kAlign);
      if (raw_ == nullptr) throw std::bad_alloc();
      data_ = reinterpret_cast<void*>((reinterpret_cast<size_t>(raw_) + kAlign - 1) / kAlign * kAlign);
      return;
    }
    block_ = KeptMemory::instance().take(bytes, 2 * bytes);
    data_ = block_.data;
    if (clear) std::memset(data_, 0, bytes);
  }
  WorkMemory(WorkMemory&& other) noexcept { swap(other); }
  WorkMemory& operator=(WorkMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~WorkMemory() {
    if (block_.data) KeptMemory::instance().give(block_);
    std::free(raw_);
  }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kAlign = 64;

  void swap(WorkMemory& other) {
    std::swap(raw_, other.raw_);
    std::swap(data_, other.data_);
    std::swap(block_, other.block_);
    std::swap(bytes_, other.bytes_);
  }

  void *raw_ = nullptr, *data_ = nullptr;
  KeptMemory::Block block_;
  size_t bytes_ = 0;
};

}  // namespace inpaintx
