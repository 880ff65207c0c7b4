#include "framework/storage.h"

#include <cstdint>
#include <new>

#include "framework/error.h"
#include "framework/memory.h"

namespace reel::detail {
namespace {
constexpr size_t header_bytes =
    (sizeof(Storage) + 63) / 64 * 64;  // the data begins on a cache line of its own
}

Handle<Storage> Storage::create(size_t bytes) {
  check(bytes <= PTRDIFF_MAX - header_bytes, "[allocate] out of memory: {} bytes wanted", bytes);
  void* block = allocate(header_bytes + bytes);
  auto* storage = new (block) Storage;
  storage->bytes = bytes;
  storage->data = static_cast<std::byte*>(block) + header_bytes;
  return Handle<Storage>(storage);
}

Handle<Storage> Storage::wrap(void* data, size_t bytes, std::shared_ptr<void> owner) {
  auto* storage = new (allocate(header_bytes)) Storage;
  storage->bytes = bytes;
  storage->data = static_cast<std::byte*>(data);
  storage->owner = std::move(owner);
  return Handle<Storage>(storage);
}

void Storage::destroy(Storage* storage) noexcept {
  const bool foreign = storage->data != reinterpret_cast<std::byte*>(storage) + header_bytes;
  const size_t block = header_bytes + (foreign ? 0 : storage->bytes);
  storage->~Storage();
  deallocate(storage, block);
}

}  // namespace reel::detail
