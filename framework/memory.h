// Memory behind tensors: a caching allocator. Blocks that are given back are kept by the thread and handed
// out again, so that a steady training step asks the system for nothing.
#pragma once

#include <cstddef>

namespace reel {

/// Bytes that the calling thread's cache holds for reuse, at most 1 GiB. A block goes to the cache of the
/// thread that frees it, which need not be the one that made it.
size_t cached_bytes();

/// Gives all that the calling thread's cache holds back to the system.
void release_cached_memory();

namespace detail {

/// A block of at least `bytes`, aligned to 64. Throws reel::Error when there is no memory.
void* allocate(size_t bytes);

/// Returns a block; `bytes` as given to allocate.
void deallocate(void* block, size_t bytes) noexcept;

}  // namespace detail
}  // namespace reel
