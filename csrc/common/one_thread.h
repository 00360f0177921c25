// ATen's small loops in the caller's thread alone. A loop of ATen's over 32,768 values asks for all threads, and waits
// for each of them: beside a busy process that is some milliseconds a loop, where the loop itself takes microseconds.
// An op that lays out its arguments by a dozen such loops holds an object of this class while it does.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

// Of the OpenMP runtime that PyTorch has loaded, if it has one; sets the number for the calling thread alone, where
// at::set_num_threads would set it for the process.
extern "C" [[gnu::weak]] void omp_set_num_threads(int);

namespace inpaintx {

class OneThread {
 public:
  // Does nothing for more than `kMost` values: those are worth the wait.
  explicit OneThread(int64_t values) {
    if (values > kMost || omp_set_num_threads == nullptr || at::get_num_threads() == 1) return;
    threads_ = at::get_num_threads();
    omp_set_num_threads(1);
  }
  ~OneThread() {
    if (threads_) omp_set_num_threads(threads_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  static constexpr int64_t kMost = 1 << 20;
  int threads_ = 0;  // of this thread before; 0: left alone
};

}  // namespace inpaintx
