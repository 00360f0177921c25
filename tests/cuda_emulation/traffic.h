// Counts what the emulated kernels ask of global memory, for `make cuda-report`. Builds with the detector of races
// (race.h) have it; it counts where INPAINTX_EMULATE_TRAFFIC names a file, and races are not looked for then.
#pragma once

#include <cstddef>
#include <string>

namespace inpaintx::emulate {
struct Launch;

namespace traffic {

#if defined(INPAINTX_CUDA_RACE)
bool begin_launch(const Launch& launch);  // whether it is counted
void end_launch(const char* kernel);      // a line of JSON is appended to the file
void access(const void* at, size_t bytes, bool write);
void transfer(const char* name, const void* from, void* to, size_t bytes);  // a launch of its own; from may be null
#else
inline bool begin_launch(const Launch&) { return false; }
inline void end_launch(const char*) {}
inline void transfer(const char*, const void*, void*, size_t) {}
#endif

}  // namespace traffic
}  // namespace inpaintx::emulate
