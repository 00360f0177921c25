// Tensors whose memory is about to be written for the first time.
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>

#include "common/kept_memory.h"

namespace inpaintx {

// Lends kept memory to tensors; PyTorch's profiler sees them as it sees others.
class ResultAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {  // of a block that is larger, the rest would be wasted for long
    auto* const block = new KeptMemory::Block(KeptMemory::instance().take(bytes, bytes + bytes / 8));
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
    auto* const block = static_cast<KeptMemory::Block*>(context);
    c10::profiledCPUMemoryReporter().Delete(block->data);
    KeptMemory::instance().give(*block);
    delete block;
  }
};

// An uninitialised tensor; where it is large and on the CPU, of memory that earlier calls left.
inline at::Tensor empty_result(at::IntArrayRef sizes, const at::TensorOptions& options,
                               at::MemoryFormat layout = at::MemoryFormat::Contiguous) {
  size_t bytes = options.dtype().itemsize();
  for (const int64_t size : sizes) bytes *= size;
  if (!options.device().is_cpu() || bytes < KeptMemory::kLeast) return at::empty(sizes, options, layout);
  return at::Tensor(at::detail::empty_generic(sizes, &ResultAllocator::instance(),
                                              c10::DispatchKeySet(c10::DispatchKey::CPU),
                                              c10::typeMetaToScalarType(options.dtype()), layout));
}

constexpr size_t kFresh = size_t(30) << 20;  // tensors from here on come from pages that nobody touched

// A tensor of PyTorch's own memory, with large pages asked for where faulting it in would cost as much as filling it.
inline at::Tensor fresh(at::Tensor t) {
  if (t.is_cpu() && t.nbytes() >= kFresh) advise_large_pages(t.mutable_data_ptr(), t.nbytes());
  return t;
}

}  // namespace inpaintx
