#include "framework/memory.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <vector>

#include "framework/error.h"

namespace reel {
namespace detail {
namespace {

constexpr size_t alignment = 64;
// Blocks from this size on lie on huge pages where the system has them.
constexpr size_t huge_page = size_t{1} << 21;
constexpr size_t huge_from = 2 * huge_page;
// Eight size classes in each doubling: at most 12.5 % of a block is rounding.
constexpr size_t classes_per_doubling = 8;
constexpr size_t class_count = 64 * classes_per_doubling;
// A thread keeps at most this much; enough for the working set of a training step on a machine with a few GB.
constexpr size_t cache_limit = size_t{1} << 30;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool caching = false;  // the sanitizer must see each block's own life
#else
constexpr bool caching = true;
#endif

struct SizeClass {
  size_t index;
  size_t bytes;
};

SizeClass size_class(size_t bytes) {
  const size_t units = (bytes + alignment - 1) / alignment;
  if (units <= classes_per_doubling) return {units, units * alignment};
  const size_t doubling = std::bit_width(units - 1) - 1;  // 2^doubling < units <= 2^(doubling+1)
  const size_t step = (size_t{1} << doubling) / classes_per_doubling;
  const size_t sub = (units - (size_t{1} << doubling) + step - 1) / step;
  return {doubling * classes_per_doubling + sub, ((size_t{1} << doubling) + sub * step) * alignment};
}

struct Cache {
  std::array<std::vector<void*>, class_count> bins;
  size_t bytes = 0;

  void release() {
    for (auto& bin : bins) {
      for (void* block : bin) std::free(block);
      bin.clear();
    }
    bytes = 0;
  }
  Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache();
};

// Null before the thread's first block and after its end: tensors may outlive the cache of their thread.
thread_local Cache* cache = nullptr;
thread_local bool cache_ended = false;

Cache::Cache() { cache = this; }
Cache::~Cache() {
  cache = nullptr;
  cache_ended = true;
  release();
}

Cache* thread_cache() {
  if (!cache && !cache_ended) {
    static thread_local Cache instance;
  }
  return cache;
}

/// Memory from the system. Large blocks ask for huge pages, over what is used of them and no more: a tensor that is
/// read across its rows touches more pages than the processor can keep in mind.
void* system_block(size_t block_bytes, size_t used_bytes) {
  if (block_bytes < huge_from) return std::aligned_alloc(alignment, block_bytes);
  void* block = std::aligned_alloc(huge_page, (block_bytes + huge_page - 1) / huge_page * huge_page);
#if defined(MADV_HUGEPAGE)
  if (block)
    madvise(block, used_bytes / huge_page * huge_page, MADV_HUGEPAGE);  // refused: small pages serve too
#endif
  return block;
}

}  // namespace

void* allocate(size_t bytes) {
  const SizeClass wanted = size_class(bytes ? bytes : 1);
  if (Cache* own = caching ? thread_cache() : nullptr) {
    auto& bin = own->bins[wanted.index];
    if (!bin.empty()) {
      void* block = bin.back();
      bin.pop_back();
      own->bytes -= wanted.bytes;
      return block;
    }
  }
  void* block = system_block(wanted.bytes, bytes);
  if (!block) {
    if (cache) {  // what is kept may be what is missing
      cache->release();
      block = system_block(wanted.bytes, bytes);
    }
    check(block != nullptr, "[allocate] out of memory: {} bytes wanted", bytes);
  }
  return block;
}

void deallocate(void* block, size_t bytes) noexcept {
  const SizeClass given = size_class(bytes ? bytes : 1);
  Cache* own = caching ? thread_cache() : nullptr;
  if (!own || own->bytes + given.bytes > cache_limit) {
    std::free(block);
    return;
  }
  try {
    own->bins[given.index].push_back(block);
    own->bytes += given.bytes;
  } catch (const std::bad_alloc&) {  // no room to note the block: it goes back to the system instead
    std::free(block);
  }
}

}  // namespace detail

size_t cached_bytes() { return detail::cache ? detail::cache->bytes : 0; }

void release_cached_memory() {
  if (detail::cache) detail::cache->release();
}

}  // namespace reel
