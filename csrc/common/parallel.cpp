// A pool of helper threads and the loops that they help with. A caller posts its loop once for each helper that it
// could use, takes chunks itself until none is left, withdraws what nobody has picked up, and waits for chunks that are
// still being worked on. Helpers are started when they are first wanted and live as long as the process.
//
// After a loop of PyTorch's its threads spin for some milliseconds (libgomp's do), each on a core, where a helper would
// have to wait behind them. While they spin they are asked instead: they begin at once.
#include "common/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
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
#include <time.h>
#include <unistd.h>
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

  // Takes chunks until none is left; says how many.
  // Chunks are numbered by one atomic counter: which thread has which is a matter of timing, and results must not care.
  int work(int index) {
    int taken = 0;
    const int outer = std::exchange(current_index, index);
    for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < chunks; ++taken) {
      try {
        if (!failed.load(std::memory_order_relaxed)) chunk(context, i);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
      if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks) done.notify_all();
    }
    current_index = outer;
    return taken;
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

#if defined(__linux__) && AT_PARALLEL_OPENMP
const pid_t loaded_by = getpid();

// PyTorch's threads, as far as the loops of the calling thread have them.
class TorchThreads {
  using Clock = std::chrono::steady_clock;

 public:
  // Does the loop with so many of PyTorch's threads, if the last of them is running at this moment; says whether. To
  // see that takes a microsecond: its CPU clock advances. A thread may still be descheduled before it is done, and
  // PyTorch's loops wait for every thread. After such a wait PyTorch's threads are left alone for a while, twice as
  // long each time.
  bool work(Loop& loop, int threads) {
    const auto begun = Clock::now();
    if (begun < asked_again_ || !awake(threads)) return false;
    auto ended = begun;
    int mine = 0;
    at::parallel_for(0, threads, 1, [&](int64_t index, int64_t) {
      const int chunks = loop.work(static_cast<int>(index));
      if (index == 0) mine = chunks, ended = Clock::now();
    });
    const auto now = Clock::now();
    const Clock::duration waited = now - ended, chunk = (ended - begun) / std::max(mine, 1);
    if (waited > kLong + 2 * chunk) {
      pause_ = now - asked_again_ < kCalm ? std::min(2 * pause_, kCalm) : kShort;
      asked_again_ = now + pause_;
    }
    return true;
  }

 private:
  static constexpr Clock::duration kLong = std::chrono::microseconds(300), kShort = std::chrono::milliseconds(10),
                                   kCalm = std::chrono::seconds(1);

  bool awake(int threads) {
    if (static_cast<int>(clocks_.size()) != at::get_num_threads() && !find()) return false;
    timespec then, now;
    const clockid_t clock = clocks_[static_cast<size_t>(threads - 1)];
    if (clock_gettime(clock, &then) != 0 || clock_gettime(clock, &now) != 0) return false;  // of before a fork
    return now.tv_sec != then.tv_sec || now.tv_nsec != then.tv_nsec;
  }
  bool find() {
    if (getpid() != loaded_by) return false;  // a child of fork() has none of them, and must not ask for them
    clocks_.assign(static_cast<size_t>(at::get_num_threads()), CLOCK_THREAD_CPUTIME_ID);
    at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t i, int64_t) {
      pthread_getcpuclockid(pthread_self(), &clocks_[static_cast<size_t>(i)]);
    });
    return true;
  }

  std::vector<clockid_t> clocks_;  // by the thread's number; the caller's is 0
  Clock::time_point asked_again_;
  Clock::duration pause_ = kShort;
};
#else
struct TorchThreads {
  bool work(Loop&, int) { return false; }
};
#endif

thread_local TorchThreads torch_threads;

}  // namespace

int thread_index() { return std::max(current_index, 0); }

namespace parallel {

bool inside_loop() { return current_index >= 0 || at::in_parallel_region(); }

void run_chunks(int chunks, int threads, void (*chunk)(void*, int64_t), void* context) {
  const auto loop = std::make_shared<Loop>();
  loop->chunk = chunk;
  loop->context = context;
  loop->chunks = chunks;
  if (torch_threads.work(*loop, threads)) {
    if (loop->failed) std::rethrow_exception(loop->error);
    return;
  }
  Helpers& helpers = Helpers::instance();
  helpers.ask(loop, threads - 1);
  loop->work(0);
  helpers.dismiss(loop);
  for (int done; (done = loop->done.load(std::memory_order_acquire)) < chunks;) loop->done.wait(done);
  if (loop->failed) std::rethrow_exception(loop->error);
}

}  // namespace parallel
}  // namespace inpaintx
