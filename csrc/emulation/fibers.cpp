// Runs the blocks of an emulated launch one after the other, and the threads of a block as fibers.
#ifdef INPAINTX_EMULATE_CUDA
#include <ucontext.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulation/cuda_runtime.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace inpaintx::emulate {
namespace {

constexpr size_t kStack = 64 << 10;
constexpr unsigned kMostThreads = 1024;
constexpr size_t kMostShared = 227 << 10;  // of sm_90; sm_80 has 163

enum class State { ready, at_warp, at_block, done };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStack]};
  unsigned thread = 0;
  bool free = true;
};

struct Block {
  const std::function<void()>* kernel = nullptr;
  unsigned threads = 0, next = 0;
  bool reverse = false;
  ucontext_t scheduler;
  Fiber* running = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<State> state;
  std::vector<Fiber*> owner;  // the fiber of a thread that waits
  std::vector<uint64_t> slots;
  std::vector<char> shared;
} block;

std::mutex one_launch;
cudaError_t last_error = cudaSuccess;

void enter(unsigned thread) {
  threadIdx = dim3(thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y));
}

// A fiber takes threads that have not begun, one after the other; one that waits keeps its fiber.
void body() {
  Fiber* self = block.running;
  for (;;) {
    while (block.next < block.threads) {
      const unsigned n = block.next++;
      self->thread = block.reverse ? block.threads - 1 - n : n;
      enter(self->thread);
      (*block.kernel)();
      block.state[self->thread] = State::done;
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

// Lets a barrier go when every thread of the warp or block that has not ended stands at it.
bool release(State at, unsigned first, unsigned last) {
  bool any = false;
  for (unsigned t = first; t < last; ++t) {
    if (block.state[t] != at && block.state[t] != State::done) return false;
    any |= block.state[t] == at;
  }
  for (unsigned t = first; t < last; ++t) {
    if (block.state[t] == at) block.state[t] = State::ready;
  }
  return any;
}

void run_block() {
  block.next = 0;
  block.state.assign(block.threads, State::ready);
  block.owner.assign(block.threads, nullptr);
  while (block.next < block.threads) resume(free_fiber());
  for (;;) {
    bool any = false;
    for (unsigned t = 0; t < block.threads; t += warpSize) {
      any |= release(State::at_warp, t, std::min(t + warpSize, block.threads));
    }
    any |= release(State::at_block, 0, block.threads);
    if (!any) break;
    for (unsigned i = 0; i < block.threads; ++i) {
      const unsigned t = block.reverse ? block.threads - 1 - i : i;
      if (block.state[t] == State::ready) {
        enter(t);
        resume(block.owner[t]);
      }
    }
  }
  for (unsigned t = 0; t < block.threads; ++t) {
    if (block.state[t] != State::done) throw std::runtime_error("emulated CUDA: threads wait at different barriers");
  }
}

}  // namespace

void wait(Barrier barrier) {
  Fiber* self = block.running;
  const unsigned t = self->thread;
  block.state[t] = barrier == Barrier::warp ? State::at_warp : State::at_block;
  block.owner[t] = self;
  swapcontext(&self->context, &block.scheduler);
  block.running = self;
}

void* slot(unsigned lane) { return &block.slots[block.running->thread / warpSize * warpSize + lane]; }

void* dynamic_shared() { return block.shared.data(); }

void run(const Launch& launch, const std::function<void()>& kernel) {
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
  block.kernel = &kernel;
  block.threads = threads;
  block.slots.assign((threads + warpSize - 1) / warpSize * warpSize, 0);
  blockDim = launch.block;
  gridDim = launch.grid;
  for (uint64_t b = 0; b < blocks; ++b) {
    const uint64_t n = block.reverse ? blocks - 1 - b : b;
    blockIdx = dim3(n % gridDim.x, n / gridDim.x % gridDim.y, n / (uint64_t(gridDim.x) * gridDim.y));
    block.shared.assign(launch.shared, char(0xcd));  // nothing may count on what was there
    run_block();
  }
}

}  // namespace inpaintx::emulate

cudaError_t cudaGetLastError() {
  const cudaError_t error = inpaintx::emulate::last_error;
  inpaintx::emulate::last_error = cudaSuccess;
  return error;
}

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "invalid configuration of a launch (emulated)";
}
#endif
