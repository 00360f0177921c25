// Finds data races of the emulated kernels. They are compiled with -fsanitize=thread, whose calls at each access to
// memory end here instead of in its own library, which knows nothing of blocks and barriers.
//
// Two accesses to a byte race if one writes, they are of different threads of one launch, and nothing orders them: no
// barrier of the block between threads of a block, none of the warp between those of a warp; threads of two blocks are
// never ordered. So `+=` on global memory is a race unless it is an atomic, which is not instrumented. Shared memory
// that is read before a thread of the same block wrote it is reported too.
#include "race.h"

#include <pthread.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "traffic.h"

namespace inpaintx::emulate::race {
namespace {

struct Access {
  uint64_t block = 0;  // 0: none
  unsigned thread = 0, block_epoch = 0, warp_epoch = 0;
  bool many = false;  // others read as well, of this block or of several
};
struct Byte {
  Access write, read;
};

struct State {
  bool active = false, counting = false;
  std::string kernel, fault;
  Range dynamic_shared{}, static_shared{};
  uint64_t block = 0;
  unsigned thread = 0, block_epoch = 0;
  std::vector<unsigned> warp_epoch;
  Range stack{}, host_stack{};
  std::unordered_map<const char*, Byte> bytes;
} s;

bool within(Range range, const char* at) { return at >= range.begin && at < range.begin + range.bytes; }

bool unordered(const Access& a) {
  if (a.block == 0) return false;
  if (a.block != s.block) return true;
  if (a.thread == s.thread && !a.many) return false;
  if (a.block_epoch != s.block_epoch) return false;
  return a.many || a.thread / 32 != s.thread / 32 || a.warp_epoch == s.warp_epoch[s.thread / 32];
}

void fault(const char* what, bool shared) {
  if (!s.fault.empty()) return;
  s.fault = std::string(what) + " in " + (shared ? "shared" : "global") + " memory, block " +
            std::to_string(s.block - 1) + ", thread " + std::to_string(s.thread);
}

// Where the launch's own arguments lie.
Range stack_of_this_thread() {
  pthread_attr_t attributes;
  void* begin = nullptr;
  size_t bytes = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &begin, &bytes);
  pthread_attr_destroy(&attributes);
  return {static_cast<const char*>(begin), bytes};
}

void touch(const void* address, size_t bytes, bool write) {
  const char* at = static_cast<const char*>(address);
  if (!s.active || within(s.stack, at)) return;  // a thread's own variables lie on its fiber's stack
  const bool shared = within(s.dynamic_shared, at) || within(s.static_shared, at);
  if (s.counting) {
    if (!shared && !within(s.host_stack, at)) traffic::access(at, bytes, write);
    return;
  }
  const Access now{s.block, s.thread, s.block_epoch, s.warp_epoch[s.thread / 32], false};
  for (size_t i = 0; i < bytes; ++i) {
    Byte& byte = s.bytes[at + i];
    if (shared && byte.write.block != s.block) byte.write = {};  // another block's memory
    if (shared && byte.read.block != s.block) byte.read = {};
    if (unordered(byte.write)) fault(write ? "two threads write" : "a thread reads what another writes", shared);
    if (write) {
      if (unordered(byte.read)) fault("a thread writes what another reads", shared);
      byte.write = now;
      byte.read = {};
    } else {
      if (shared && byte.write.block == 0) fault("a thread reads what nobody has written", shared);
      const bool same = byte.read.block == now.block && byte.read.thread == now.thread;
      const bool later = byte.read.block == now.block && byte.read.block_epoch != now.block_epoch;
      Access read = now;
      read.many = byte.read.block != 0 && !same && !later;
      if (byte.read.many && !later) read.many = true;
      byte.read = read;
    }
  }
}

}  // namespace

void begin_launch(const char* kernel, Range dynamic_shared, Range static_shared, bool counting) {
  s.counting = counting;
  if (counting) s.host_stack = stack_of_this_thread();
  s.kernel = kernel;
  s.fault.clear();
  s.bytes.clear();
  s.block = 0;
  s.dynamic_shared = dynamic_shared;
  s.static_shared = static_shared;
}

std::string end_launch() {
  s.active = false;
  return s.fault;
}

void begin_block(unsigned threads) {
  ++s.block;
  s.block_epoch = 0;
  s.warp_epoch.assign((threads + 31) / 32, 0);
  s.active = true;
}

void enter_thread(unsigned thread, Range stack) {
  s.thread = thread;
  s.stack = stack;
}
void order_block() { ++s.block_epoch; }
void order_warp(unsigned warp) { ++s.warp_epoch[warp]; }

}  // namespace inpaintx::emulate::race

using inpaintx::emulate::race::touch;

#define ACCESS(bytes)                                                               \
  extern "C" void __tsan_read##bytes(void* p) { touch(p, bytes, false); }           \
  extern "C" void __tsan_write##bytes(void* p) { touch(p, bytes, true); }           \
  extern "C" void __tsan_unaligned_read##bytes(void* p) { touch(p, bytes, false); } \
  extern "C" void __tsan_unaligned_write##bytes(void* p) { touch(p, bytes, true); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
extern "C" void __tsan_read_range(void* p, size_t bytes) { touch(p, bytes, false); }
extern "C" void __tsan_write_range(void* p, size_t bytes) { touch(p, bytes, true); }
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_init() {}
extern "C" void __tsan_vptr_read(void*) {}
extern "C" void __tsan_vptr_update(void*, void*) {}
