// Loops over threads that stay fast beside a busy process.
//
// at::parallel_for gives each thread a fixed share and waits until all of them have come and gone. Where another
// process holds a core, that is a wait for the scheduler, some milliseconds, at each of the loops of a call. Here the
// work is cut into chunks that threads take as they come, the caller among them, and the caller waits only for chunks
// that somebody has begun: a thread that is not scheduled in time takes none, and costs nothing.
//
// Results must not depend on how the work is cut, as everywhere in csrc. at::get_num_threads() bounds the threads, and
// a loop within another runs in the thread that it is in.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace inpaintx {

namespace parallel {
constexpr int64_t kChunksPerThread =
    4;  // so that a thread which comes late or leaves early shifts a quarter of a share

// Calls chunk(context, i) for i in [0, chunks), on `threads` threads at most, the caller among them, and returns when
// all have ended. Each i once, in any order. The first exception is thrown on, and chunks that have not begun by then
// are left out.
void run_chunks(int chunks, int threads, void (*chunk)(void* context, int64_t i), void* context);
// Whether this thread is within a loop of either kind.
bool inside_loop();
}  // namespace parallel

// Of the thread within its loop, from 0; the caller has 0. Below at::get_num_threads().
int thread_index();

// Threads that a loop started here may have.
inline int available_threads() { return parallel::inside_loop() ? 1 : at::get_num_threads(); }

// f(from, to) over parts of [begin, end) of `grain` or more, in any order, on several threads. One thread has all of it
// in one call.
//   grain  units that are worth a second thread. Asking one takes some microseconds, and far longer where it has no
//   core:
//          half a millisecond of work is the rule of the ops
//   f      may write where no other part reads or writes; may throw
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const F& f) {
  if (begin >= end) return;
  const int64_t total = end - begin, least = std::max<int64_t>(grain, 1);
  const int64_t threads = total > least ? std::min<int64_t>(available_threads(), (total + least - 1) / least) : 1;
  if (threads == 1) return f(begin, end);
  const int64_t parts = threads * parallel::kChunksPerThread, size = std::max(least, (total + parts - 1) / parts);
  struct Loop {
    const F& f;
    int64_t begin, end, size;
  } loop{f, begin, end, size};
  const auto chunk = [](void* context, int64_t i) {
    const Loop& l = *static_cast<const Loop*>(context);
    const int64_t from = l.begin + i * l.size;
    l.f(from, std::min(from + l.size, l.end));
  };
  parallel::run_chunks(static_cast<int>((total + size - 1) / size), static_cast<int>(threads), chunk, &loop);
}

}  // namespace inpaintx
