// Large blocks of memory that outlive a call: faulting a fresh array in, 4 KB at a time, costs more than the arithmetic
// that follows. So some are kept for the next call, and what is mapped anew asks for large pages, on Linux.
#pragma once

#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace inpaintx {

constexpr size_t kLargePage = size_t(2) << 20;

// Asks for large pages in the part of a fresh array that can have them.
inline void advise_large_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  const size_t from = (reinterpret_cast<size_t>(data) + kLargePage - 1) / kLargePage * kLargePage;
  const size_t to = (reinterpret_cast<size_t>(data) + bytes) / kLargePage * kLargePage;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

// Blocks that were given back, for those who come next: at most as many megabytes as INPAINTX_CACHE_MB says, the oldest
// go first. Who would have to wait for another thread goes without.
class KeptMemory {
 public:
  struct Block {
    void* data = nullptr;
    size_t bytes = 0;
  };
  static constexpr size_t kLeast = kLargePage;  // of a block

  // The smallest kept block of so many bytes, `most` of them at most, or a new one.
  Block take(size_t bytes, size_t most) {
    if (const Block block = find(bytes, most); block.data) return block;
    Block block{nullptr, bytes};
    if (posix_memalign(&block.data, kLargePage, bytes) != 0) {
      clear();
      TORCH_CHECK(posix_memalign(&block.data, kLargePage, bytes) == 0, "not enough memory: tried to allocate ", bytes,
                  " bytes");
    }
    advise_large_pages(block.data, bytes);
    return block;
  }
  void give(Block block) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock || block.bytes > most_) return std::free(block.data);
    blocks_.push_back(block);
    for (total_ += block.bytes; total_ > most_;) std::free(remove(0).data);
  }
  // Frees what is kept, and says how many bytes that were.
  size_t clear() {
    std::vector<Block> blocks;
    blocks.reserve(blocks_.capacity());
    {
      const std::unique_lock<std::mutex> lock(mutex_);
      std::swap(blocks, blocks_);
      total_ = 0;
    }
    size_t bytes = 0;
    for (const Block& block : blocks) {
      std::free(block.data);
      bytes += block.bytes;
    }
    return bytes;
  }
  static KeptMemory& instance() {
    static KeptMemory* const memory = new KeptMemory;  // outlives every thread
    return *memory;
  }

 private:
  KeptMemory() {
#if !defined(__SANITIZE_ADDRESS__)  // there, what is given back must not be touched: nothing is kept
    const char* megabytes = std::getenv("INPAINTX_CACHE_MB");
    if (megabytes && *megabytes == 0) megabytes = nullptr;  // empty is unset
    char* end = nullptr;
    const long long most = megabytes ? std::strtoll(megabytes, &end, 10) : 256;
    TORCH_CHECK_VALUE(
        !megabytes || (end != megabytes && *end == 0 && most >= 0 && most < 1 << 20),
        "the environment variable INPAINTX_CACHE_MB must be a whole number of megabytes below 1048576 (0: "
        "nothing is kept between calls), got \"",
        megabytes, "\"");
    most_ = size_t(most) << 20;
#endif
    blocks_.reserve(most_ / kLeast + 1);
  }

  Block find(size_t bytes, size_t most) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock) return {};
    size_t best = blocks_.size();
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const size_t size = blocks_[i].bytes;
      if (size >= bytes && size <= most && (best == blocks_.size() || size < blocks_[best].bytes)) best = i;
    }
    return best < blocks_.size() ? remove(best) : Block{};
  }
  Block remove(size_t i) {
    const Block block = blocks_[i];
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(i));
    total_ -= block.bytes;
    return block;
  }

  std::mutex mutex_;
  std::vector<Block> blocks_;  // from the oldest on
  size_t total_ = 0, most_ = 0;
};

}  // namespace inpaintx
