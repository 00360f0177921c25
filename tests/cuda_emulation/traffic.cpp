// Global memory moves in sectors of 32 bytes. A sector counts once a launch for reads and once for writes, as if the
// caches were as large as the launch: what must move at least, with these launches. `requested` counts each access, and
// so shows what the caches have to serve. Atomics and shared memory are not counted.
#include "traffic.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <unordered_map>

#include "cuda_runtime.h"

namespace inpaintx::emulate::traffic {
namespace {

constexpr uintptr_t kSector = 32, kPage = 1 << 16;  // bytes

struct Count {
  uint64_t read = 0, write = 0, requested = 0;
};
// The launch that touched each sector last.
struct Page {
  std::array<uint32_t, kPage / kSector> read{}, write{};
};

std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
Page* page = nullptr;
uintptr_t page_number = 0;
uint32_t launches = 0;
Count count;
Launch shape;

Page& page_of(uintptr_t number) {
  if (!page || number != page_number) {
    auto& found = pages[number];
    if (!found) found = std::make_unique<Page>();
    page = found.get();
    page_number = number;
  }
  return *page;
}

const char* file() { return std::getenv("INPAINTX_EMULATE_TRAFFIC"); }

bool is_index(const void* at) {  // threadIdx and the like are registers
  for (const dim3* index : {&threadIdx, &blockIdx, &blockDim, &gridDim}) {
    if (at >= index && at < index + 1) return true;
  }
  return false;
}

}  // namespace

bool begin_launch(const Launch& launch) {
  ++launches;
  count = {};
  shape = launch;
  return file() != nullptr;
}

void end_launch(const char* kernel) {
  if (!file()) return;
  std::ofstream(file(), std::ios::app) << "{\"kernel\": \"" << kernel
                                       << "\", \"blocks\": " << uint64_t(shape.grid.x) * shape.grid.y * shape.grid.z
                                       << ", \"threads\": " << shape.block.x * shape.block.y * shape.block.z
                                       << ", \"dynamic_shared\": " << shape.shared
                                       << ", \"read\": " << count.read * kSector
                                       << ", \"write\": " << count.write * kSector
                                       << ", \"requested\": " << count.requested << "}\n";
}

void access(const void* at, size_t bytes, bool write) {
  if (is_index(at)) return;
  count.requested += bytes;
  const auto first = reinterpret_cast<uintptr_t>(at);
  for (uintptr_t sector = first / kSector; sector <= (first + bytes - 1) / kSector; ++sector) {
    Page& p = page_of(sector / (kPage / kSector));
    uint32_t& last = (write ? p.write : p.read)[sector % (kPage / kSector)];
    if (last == launches) continue;
    last = launches;
    ++(write ? count.write : count.read);
  }
}

void transfer(const char* name, const void* from, void* to, size_t bytes) {
  if (!begin_launch({dim3(1), dim3(1)}) || bytes == 0) return;
  if (from) access(from, bytes, false);
  access(to, bytes, true);
  end_launch(name);
}

}  // namespace inpaintx::emulate::traffic
