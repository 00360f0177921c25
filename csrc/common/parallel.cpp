// A pool of helper threads and the loops that they help with. A caller posts its loop once for each helper that it
// could use, takes chunks itself until none is left, withdraws what nobody has picked up, and waits for chunks that are
// still being worked on. Helpers are started when they are first wanted and live as long as the process.
#include "common/parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace inpaintx {
namespace {

thread_local int current_index = -1;  // of this thread in the loop that it is in; -1 outside

// One loop. Shared by the caller and its helpers, for a helper may come when the caller has left: it finds no chunk,
// and touches nothing else.
struct Loop {
  void (*chunk)(void*, int64_t);
  void* context;
  int chunks;
  std::atomic<int> next{0}, done{0};
  std::atomic<int> indices{1};  // 0 is the caller's
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // of the chunk that set `failed`

  // Takes chunks until none is left.
  // Chunks are numbered by one atomic counter: which thread has which is a matter of timing, and results must not care.
  void work(int index) {
    const int outer = std::exchange(current_index, index);
    for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
      try {
        if (!failed.load(std::memory_order_relaxed)) chunk(context, i);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
      if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks) done.notify_all();
    }
    current_index = outer;
  }
};

// Threads that help with the loops that are under way. They are never joined: they own nothing.
class Helpers {
 public:
  void ask(const std::shared_ptr<Loop>& loop, int helpers) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (started_ < helpers) {
        std::thread([this] { help(); }).detach();
        ++started_;
      }
      for (int i = 0; i < helpers; ++i) wanted_.push_back(loop);
      waiting_.store(wanted_.size(), std::memory_order_relaxed);
    }
    helpers == 1 ? awake_.notify_one() : awake_.notify_all();
  }
  // Nobody needs to come any more.
  void dismiss(const std::shared_ptr<Loop>& loop) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::erase(wanted_, loop);
    waiting_.store(wanted_.size(), std::memory_order_relaxed);
  }

  static Helpers& instance() {
#if defined(__unix__) || defined(__APPLE__)
    // A child of fork() has none of the threads, and perhaps a locked mutex: it begins anew.
    static const int registered = pthread_atfork(nullptr, nullptr, [] { current() = new Helpers; });
    static_cast<void>(registered);
#endif
    return *current();
  }

 private:
  static Helpers*& current() {
    static Helpers* helpers = new Helpers;  // outlives every thread
    return helpers;
  }

  void help() {
    for (;;) {
      wait_a_little();
      std::shared_ptr<Loop> loop;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        awake_.wait(lock, [this] { return !wanted_.empty(); });
        loop = std::move(wanted_.back());
        wanted_.pop_back();
        waiting_.store(wanted_.size(), std::memory_order_relaxed);
      }
      loop->work(loop->indices.fetch_add(1));
    }
  }

  // The loops of a call follow each other closely: waking up takes longer than looking for the next one a while.
  void wait_a_little() const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
    while (waiting_.load(std::memory_order_relaxed) == 0 && std::chrono::steady_clock::now() < until) {
    }
  }

  std::mutex mutex_;
  std::condition_variable awake_;
  std::vector<std::shared_ptr<Loop>> wanted_;  // once for each helper that may come
  std::atomic<size_t> waiting_{0};             // their number
  int started_ = 0;
};

}  // namespace

int thread_index() { return std::max(current_index, 0); }

namespace parallel {

bool inside_loop() { return current_index >= 0 || at::in_parallel_region(); }

void run_chunks(int chunks, int threads, void (*chunk)(void*, int64_t), void* context) {
  const auto loop = std::make_shared<Loop>();
  loop->chunk = chunk;
  loop->context = context;
  loop->chunks = chunks;
  Helpers& helpers = Helpers::instance();
  helpers.ask(loop, threads - 1);
  loop->work(0);
  helpers.dismiss(loop);
  for (int done; (done = loop->done.load(std::memory_order_acquire)) < chunks;) loop->done.wait(done);
  if (loop->failed) std::rethrow_exception(loop->error);
}

}  // namespace parallel
}  // namespace inpaintx
