// Large blocks of memory that outlive a call: faulting a fresh array in, 4 KB at a time, costs more than the arithmetic
// that follows. So some are kept for the next call, and what is mapped anew asks for large pages, on Linux. Three
// users: Workspace (scratch), ResultAllocator (results that become tensors), advise_huge_pages (memory that stays
// PyTorch's).
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

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

constexpr size_t kHugePage = size_t(2) << 20;

// Asks for large pages in the part of a fresh array that can have them.
inline void advise_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  const size_t from = (reinterpret_cast<size_t>(data) + kHugePage - 1) / kHugePage * kHugePage;
  const size_t to = (reinterpret_cast<size_t>(data) + bytes) / kHugePage * kHugePage;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

// Blocks that were given back, for those who come next: at most as many megabytes as INPAINTX_CACHE_MB says, the oldest
// go first. Who would have to wait for another thread goes without.
class CachingAllocator {
 public:
  struct Block {
    void* data = nullptr;
    size_t bytes = 0;
  };
  static constexpr size_t kLeast = kHugePage;  // of a block

  // The smallest kept block of so many bytes, `most` of them at most, or a new one.
  // Throws where the system has none either, after what is kept has been freed.
  Block take(size_t bytes, size_t most) {
    if (const Block block = find(bytes, most); block.data) return block;
    Block block{nullptr, bytes};
    if (posix_memalign(&block.data, kHugePage, bytes) != 0) {
      clear();
      TORCH_CHECK(posix_memalign(&block.data, kHugePage, bytes) == 0, "not enough memory: tried to allocate ", bytes,
                  " bytes");
    }
    advise_huge_pages(block.data, bytes);
    return block;
  }
  // Never throws: the list's memory is reserved by the constructor.
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
  static CachingAllocator& instance() {
    static CachingAllocator* const memory = new CachingAllocator;  // outlives every thread
    return *memory;
  }

 private:
  CachingAllocator() {
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

// Memory of a work array, zeroed or not; large ones come from what earlier calls left.
// Freed or given back with the object; moves, never copies. Aligned to a line of the cache.
class Workspace {
 public:
  Workspace() = default;
  // `clear`: else what is in it does not matter.
  explicit Workspace(size_t bytes, bool clear = true) : bytes_(bytes) {
    if (bytes == 0) return;
    if (bytes < CachingAllocator::kLeast) {
      raw_ = clear ? std::calloc(bytes + kAlign, 1) : std::malloc(bytes + kAlign);
      if (raw_ == nullptr) throw std::bad_alloc();
      data_ = reinterpret_cast<void*>((reinterpret_cast<size_t>(raw_) + kAlign - 1) / kAlign * kAlign);
      return;
    }
    block_ = CachingAllocator::instance().take(bytes, 2 * bytes);
    data_ = block_.data;
    if (clear) std::memset(data_, 0, bytes);
  }
  Workspace(Workspace&& other) noexcept { swap(other); }
  Workspace& operator=(Workspace&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Workspace() {
    if (block_.data) CachingAllocator::instance().give(block_);
    std::free(raw_);
  }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kAlign = 64;

  void swap(Workspace& other) {
    std::swap(raw_, other.raw_);
    std::swap(data_, other.data_);
    std::swap(block_, other.block_);
    std::swap(bytes_, other.bytes_);
  }

  void *raw_ = nullptr, *data_ = nullptr;
  CachingAllocator::Block block_;
  size_t bytes_ = 0;
};

// Lends kept memory to tensors; PyTorch's profiler sees them as it sees others.
class ResultAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {  // of a block that is larger, the rest would be wasted for long
    auto* const block = new CachingAllocator::Block(CachingAllocator::instance().take(bytes, bytes + bytes / 8));
    c10::profiledCPUMemoryReporter().New(block->data, bytes);
    return {block->data, block, &give_back, c10::Device(c10::kCPU)};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
  static ResultAllocator& instance() {
    static auto* const allocator = new ResultAllocator;  // outlives every tensor
    return *allocator;
  }

 private:
  static void give_back(void* context) {
    auto* const block = static_cast<CachingAllocator::Block*>(context);
    c10::profiledCPUMemoryReporter().Delete(block->data);
    CachingAllocator::instance().give(*block);
    delete block;
  }
};

// An uninitialised tensor; where it is large and on the CPU, of memory that earlier calls left.
inline at::Tensor empty_result(at::IntArrayRef sizes, const at::TensorOptions& options,
                               at::MemoryFormat layout = at::MemoryFormat::Contiguous) {
  size_t bytes = options.dtype().itemsize();
  for (const int64_t size : sizes) bytes *= size;
  if (!options.device().is_cpu() || bytes < CachingAllocator::kLeast) return at::empty(sizes, options, layout);
  return at::Tensor(at::detail::empty_generic(sizes, &ResultAllocator::instance(),
                                              c10::DispatchKeySet(c10::DispatchKey::CPU),
                                              c10::typeMetaToScalarType(options.dtype()), layout));
}

constexpr size_t kFresh = size_t(30) << 20;  // tensors from here on come from pages that nobody touched

// A tensor of PyTorch's own memory, with large pages asked for where faulting it in would cost as much as filling it.
inline at::Tensor advise_huge_pages(at::Tensor t) {
  if (t.is_cpu() && t.nbytes() >= kFresh) advise_huge_pages(t.mutable_data_ptr(), t.nbytes());
  return t;
}

}  // namespace inpaintx
