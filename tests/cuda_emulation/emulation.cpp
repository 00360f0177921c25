// Runs the blocks of an emulated launch one after the other, and the threads of a block as fibers. Errors, with the
// kernel's name and the source line:
//   - threads of a block that meet at different __syncthreads (both arms of a branch), or not at all;
//   - a warp's barrier or shuffle whose mask leaves out a lane that calls it, names one that calls it with another mask
//     or somewhere else, or reads from one that does not take part;
//   - a launch that hardware refuses, more than 48 KB of dynamic shared memory among it: no kernel here sets the
//     attribute that allows more.
// Shared memory is filled with 0xcd before each block, so that what is read before it is written, or carried over from
// the block before, is NaN or absurd.
#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "race.h"
#include "traffic.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace inpaintx::emulate {
namespace {

constexpr size_t kStack = 64 << 10;
constexpr unsigned kMostThreads = 1024;
constexpr size_t kMostShared = 48 << 10;  // without cudaFuncAttributeMaxDynamicSharedMemorySize
constexpr char kSpoilt = char(0xcd);

enum class State { ready, at_warp, at_block, done };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStack]};
  unsigned thread = 0;
  bool free = true;
};

struct Thread {
  State state = State::ready;
  Fiber* fiber = nullptr;  // while it waits
  unsigned mask = 0, line = 0;
};

struct Block {
  const char* kernel_name = "";
  const std::function<void()>* kernel = nullptr;
  unsigned threads = 0, next = 0;
  bool reverse = false;
  ucontext_t scheduler;
  Fiber* running = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Thread> thread;
  std::vector<uint64_t> slots;
  std::vector<char> shared;  // dynamic
  std::vector<char> arrays = std::vector<char>(1 << 20);
  std::map<unsigned, size_t> array_at;  // static, by line: where in `arrays`
  size_t arrays_end = 0;
  std::string fault;  // the first
} block;

std::mutex one_launch;
cudaError_t last_error = cudaSuccess;

void report(const std::string& what) {
  if (block.fault.empty()) block.fault = std::string("emulated CUDA: ") + block.kernel_name + ": " + what;
}
std::string at_line(unsigned line) { return "line " + std::to_string(line); }

void enter(unsigned thread, const Fiber& fiber) {
  threadIdx = dim3(thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y));
  race::enter_thread(thread, {fiber.stack.get(), kStack});
}

// A fiber takes threads that have not begun, one after the other; one that waits keeps its fiber.
void body() {
  Fiber* self = block.running;
  for (;;) {
    while (block.next < block.threads) {
      const unsigned n = block.next++;
      self->thread = block.reverse ? block.threads - 1 - n : n;
      enter(self->thread, *self);
      (*block.kernel)();
      block.thread[self->thread].state = State::done;
    }
    self->free = true;
    swapcontext(&self->context, &block.scheduler);
  }
}

Fiber* free_fiber() {
  for (auto& f : block.fibers) {
    if (f->free) return f.get();
  }
  block.fibers.push_back(std::make_unique<Fiber>());
  Fiber* f = block.fibers.back().get();
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->stack.get();
  f->context.uc_stack.ss_size = kStack;
  f->context.uc_link = nullptr;
  makecontext(&f->context, body, 0);
  return f;
}

void resume(Fiber* f) {
  block.running = f;
  f->free = false;
  swapcontext(&block.scheduler, &f->context);
}

// Lets the block's barrier go when every thread that has not ended stands at it.
bool release_block() {
  const Thread* first = nullptr;
  for (const Thread& t : block.thread) {
    if (t.state != State::at_block && t.state != State::done) return false;
    if (t.state != State::at_block) continue;
    if (first && first->line != t.line) {
      report("threads of a block wait at different __syncthreads, " + at_line(first->line) + " and " + at_line(t.line));
    }
    first = first ? first : &t;
  }
  for (Thread& t : block.thread) {
    if (t.state == State::at_block) t.state = State::ready;
  }
  race::order_block();
  return first != nullptr;
}

// Lets the lanes of a mask go when all of them have come.
bool release_warp(unsigned begin) {
  const unsigned lanes = std::min<unsigned>(warpSize, block.threads - begin);
  bool any = false;
  for (unsigned lane = 0; lane < lanes; ++lane) {
    const Thread caller = block.thread[begin + lane];
    if (caller.state != State::at_warp) continue;
    bool all = true;
    for (unsigned other = 0; other < lanes && all; ++other) {
      const Thread& t = block.thread[begin + other];
      if (!(caller.mask >> other & 1) || t.state == State::done) continue;
      all = t.state == State::at_warp && t.mask == caller.mask && t.line == caller.line;
    }
    if (!all) continue;
    for (unsigned other = 0; other < lanes; ++other) {
      Thread& t = block.thread[begin + other];
      if (caller.mask >> other & 1 && t.state == State::at_warp) t.state = State::ready;
    }
    race::order_warp(begin / warpSize);
    any = true;
  }
  return any;
}

void say_who_waits() {
  std::string who;
  for (unsigned t = 0; t < block.threads && who.size() < 200; ++t) {
    const Thread& thread = block.thread[t];
    if (thread.state == State::done) continue;
    who += (who.empty() ? "thread " : ", ") + std::to_string(t) + " at " + at_line(thread.line);
  }
  report("threads wait for others that never come: " + who);
}

void run_block() {
  block.next = 0;
  block.thread.assign(block.threads, {});
  std::fill(block.shared.begin(), block.shared.end(), kSpoilt);
  std::fill(block.arrays.begin(), block.arrays.end(), kSpoilt);
  race::begin_block(block.threads);
  while (block.next < block.threads) resume(free_fiber());
  for (;;) {
    bool any = false;
    for (unsigned t = 0; t < block.threads; t += warpSize) any |= release_warp(t);
    any |= release_block();
    if (!any) break;
    for (unsigned i = 0; i < block.threads; ++i) {
      const unsigned t = block.reverse ? block.threads - 1 - i : i;
      if (block.thread[t].state == State::ready) {
        enter(t, *block.thread[t].fiber);
        resume(block.thread[t].fiber);
      }
    }
  }
  const auto done = [](const Thread& t) { return t.state == State::done; };
  if (std::all_of(block.thread.begin(), block.thread.end(), done)) return;
  say_who_waits();
  block.fibers.clear();  // theirs are lost
}

void wait(State state, unsigned mask, unsigned line) {
  Fiber* self = block.running;
  block.thread[self->thread] = {state, self, mask, line};
  swapcontext(&self->context, &block.scheduler);
  block.running = self;
}

}  // namespace

void wait_for_block(unsigned line) { wait(State::at_block, 0, line); }

void wait_for_warp(unsigned mask, unsigned line) {
  const unsigned lane = block.running->thread % warpSize;
  if (!(mask >> lane & 1))
    report("lane " + std::to_string(lane) + " calls with a mask without itself, " + at_line(line));
  wait(State::at_warp, mask | 1u << lane, line);
}

void check_source_lane(unsigned mask, unsigned from, unsigned line) {
  const unsigned begin = block.running->thread / warpSize * warpSize, source = from % warpSize;
  const bool there = begin + source < block.threads && block.thread[begin + source].state != State::done;
  if (!(mask >> source & 1) || !there) {
    report("a shuffle reads from lane " + std::to_string(source) + ", which takes no part, " + at_line(line));
  }
}

void* slot(unsigned lane) { return &block.slots[block.running->thread / warpSize * warpSize + lane]; }

void* dynamic_shared() { return block.shared.data(); }

void* static_shared(unsigned line, size_t bytes) {
  const auto [at, made] = block.array_at.try_emplace(line, block.arrays_end);
  if (made) block.arrays_end += (bytes + 15) / 16 * 16;
  if (block.arrays_end + block.shared.size() > kMostShared) report("over 48 KB of shared memory");
  return block.arrays.data() + at->second;
}

void run_grid(const char* name, const Launch& launch, const std::function<void()>& kernel) {
  const std::lock_guard<std::mutex> lock(one_launch);
  const unsigned threads = launch.block.x * launch.block.y * launch.block.z;
  const uint64_t blocks = uint64_t(launch.grid.x) * launch.grid.y * launch.grid.z;
  if (threads == 0 || threads > kMostThreads || launch.block.z > 64 || blocks == 0 || launch.grid.x > 0x7fffffffu ||
      launch.grid.y > 65535 || launch.grid.z > 65535 || launch.shared > kMostShared) {
    last_error = cudaErrorInvalidConfiguration;
    return;
  }
  if (std::getenv("INPAINTX_EMULATE_DRY")) return;  // only the configuration was to be checked
  const char* order = std::getenv("INPAINTX_EMULATE_ORDER");
  block.reverse = order && std::string(order) == "reverse";
  block.kernel_name = name;
  block.kernel = &kernel;
  block.threads = threads;
  block.slots.assign((threads + warpSize - 1) / warpSize * warpSize, 0);
  block.shared.resize(launch.shared);
  block.array_at.clear();
  block.arrays_end = 0;
  block.fault.clear();
  blockDim = launch.block;
  gridDim = launch.grid;
  race::begin_launch(name, {block.shared.data(), block.shared.size()}, {block.arrays.data(), block.arrays.size()},
                     traffic::begin_launch(launch));
  for (uint64_t b = 0; b < blocks && block.fault.empty(); ++b) {
    const uint64_t n = block.reverse ? blocks - 1 - b : b;
    blockIdx = dim3(n % gridDim.x, n / gridDim.x % gridDim.y, n / (uint64_t(gridDim.x) * gridDim.y));
    run_block();
  }
  const std::string races = race::end_launch();
  traffic::end_launch(name);
  if (!races.empty()) report(races);
  if (!block.fault.empty()) throw std::runtime_error(block.fault);
}

}  // namespace inpaintx::emulate

cudaError_t cudaGetLastError() {
  const cudaError_t error = inpaintx::emulate::last_error;
  inpaintx::emulate::last_error = cudaSuccess;
  return error;
}

cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t) {
  if (bytes) std::memset(at, value, bytes);
  inpaintx::emulate::traffic::transfer("memset", nullptr, at, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  if (bytes) std::memmove(to, from, bytes);
  inpaintx::emulate::traffic::transfer("memcpy", from, to, bytes);
  return cudaSuccess;
}

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "invalid configuration of a launch (emulated)";
}
