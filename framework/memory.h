// Memory behind tensors: a caching allocator. Blocks that are given back are kept by the thread and handed
// out again, so that a steady training step asks the system for nothing.
#pragma once

#include <cstddef>
#include <vector>

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

/// For containers of the library's own: from the same cache of blocks.
template <class T> struct BlockAllocator {
  using value_type = T;
  BlockAllocator() = default;
  template <class U> BlockAllocator(const BlockAllocator<U>&) {}  // NOLINT(google-explicit-constructor)
  T* allocate(size_t n) { return static_cast<T*>(detail::allocate(n * sizeof(T))); }
  void deallocate(T* block, size_t n) noexcept { detail::deallocate(block, n * sizeof(T)); }
  template <class U> bool operator==(const BlockAllocator<U>&) const { return true; }
};

/// A vector that asks the system for nothing once its size has been seen.
template <class T> using Scratch = std::vector<T, BlockAllocator<T>>;

}  // namespace detail
}  // namespace reel
