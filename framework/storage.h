// The memory of a tensor: reference counted, with a version that each in-place change raises. Internal; users
// hold Tensors.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace reel::detail {

/// Reference-counted pointer to a T with `std::atomic<int32_t> references` and a static `destroy(T*)`.
template <class T> class Handle {
 public:
  Handle() = default;
  explicit Handle(T* adopted) : pointer_(adopted) {}  // takes over one reference
  Handle(const Handle& other) : pointer_(other.pointer_) {
    if (pointer_) pointer_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Handle(Handle&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Handle() {
    // The last owner needs no locked decrement: nobody else can be counting.
    if (pointer_ && (pointer_->references.load(std::memory_order_acquire) == 1 ||
                     pointer_->references.fetch_sub(1, std::memory_order_acq_rel) == 1))
      T::destroy(pointer_);
  }
  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }
  bool unique() const { return pointer_ && pointer_->references.load(std::memory_order_acquire) == 1; }

 private:
  T* pointer_ = nullptr;
};

struct Storage {
  std::atomic<int32_t> references{1};
  uint32_t version = 0;          // raised by each in-place change
  const char* last_change = "";  // who made it, for messages
  size_t bytes = 0;
  std::byte* data = nullptr;
  std::shared_ptr<void> owner;  // keeps foreign memory (a mapped file, say) alive; null for our own

  /// Fresh memory, uninitialised. Header and data share one block.
  static Handle<Storage> create(size_t bytes);
  /// Memory that belongs to somebody else, kept alive by `owner`.
  static Handle<Storage> wrap(void* data, size_t bytes, std::shared_ptr<void> owner);
  static void destroy(Storage* storage) noexcept;
};

}  // namespace reel::detail
