// What the emulation tells the detector of races (race.cpp; `make cuda-race`). Without it nothing is recorded.
#pragma once

#include <cstddef>
#include <string>

namespace inpaintx::emulate::race {

struct Range {
  const char* begin;
  size_t bytes;
};

#if defined(INPAINTX_CUDA_RACE)
// counting: accesses go to traffic.h, and races are not looked for
void begin_launch(const char* kernel, Range dynamic_shared, Range static_shared, bool counting);
std::string end_launch();  // the first race in words, or nothing
void begin_block(unsigned threads);
void enter_thread(unsigned thread, Range stack);  // which runs from here on
void order_block();                               // all threads of the block have met
void order_warp(unsigned warp);                   // lanes of it have met
#else
inline void begin_launch(const char*, Range, Range, bool) {}
inline std::string end_launch() { return {}; }
inline void begin_block(unsigned) {}
inline void enter_thread(unsigned, Range) {}
inline void order_block() {}
inline void order_warp(unsigned) {}
#endif

}  // namespace inpaintx::emulate::race
