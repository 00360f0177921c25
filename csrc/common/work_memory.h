// Memory for big work arrays, zeroed or not. Faulting a fresh array in, 4 KB at a time, costs more than the arithmetic
// that follows. So some is kept for the next call, and what is mapped anew asks for large pages, on Linux.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

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

// Large blocks that were given back, for those who come next: up to kMost bytes of them, the oldest go first. Who would
// have to wait for another thread goes without.
class KeptMemory {
 public:
  struct Block {
    void* data = nullptr;
    size_t bytes = 0;
  };
  static constexpr size_t kLeast = size_t(2) << 20;  // of a block
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kMost = 0;  // what is given back must not be touched
#else
  static constexpr size_t kMost = size_t(128) << 20;
#endif

  // The smallest block that holds so many bytes, if it is not far too large.
  Block take(size_t bytes) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock) return {};
    size_t best = blocks_.size();
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const size_t size = blocks_[i].bytes;
      if (size >= bytes && size <= 2 * bytes && (best == blocks_.size() || size < blocks_[best].bytes)) best = i;
    }
    return best < blocks_.size() ? remove(best) : Block{};
  }
  void give(Block block) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock || block.bytes > kMost) return std::free(block.data);
    blocks_.push_back(block);
    for (total_ += block.bytes; total_ > kMost;) std::free(remove(0).data);
  }
  static KeptMemory& instance() {
    static KeptMemory* const memory = new KeptMemory;  // outlives every thread
    return *memory;
  }

 private:
  KeptMemory() { blocks_.reserve(kMost / kLeast + 1); }

  Block remove(size_t i) {
    const Block block = blocks_[i];
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(i));
    total_ -= block.bytes;
    return block;
  }

  std::mutex mutex_;
  std::vector<Block> blocks_;  // from the oldest on
  size_t total_ = 0;
};

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
    block_ = KeptMemory::instance().take(bytes);
    if (block_.data == nullptr) {
      block_.bytes = (bytes + kLarge - 1) / kLarge * kLarge;
      block_.data = std::aligned_alloc(kLarge, block_.bytes);
      if (block_.data == nullptr) throw std::bad_alloc();
      advise_large_pages(block_.data, block_.bytes);
    }
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
  static constexpr size_t kLarge = size_t(2) << 20, kAlign = 64;

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
