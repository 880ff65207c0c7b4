#include "framework/memory.h"

#include <cstdint>
#include <thread>
#include <vector>

#include "framework/tensor.h"
#include "tests/catch.h"

namespace reel {

TEST_CASE("memory of any size is aligned to cache lines, and can be written to its end", "[memory]") {
  for (size_t bytes : {0, 1, 63, 64, 65, 500, 513, 4095, 4097, 70000, 1 << 20, (1 << 20) + 1}) {
    auto* block = static_cast<unsigned char*>(detail::allocate(bytes));
    CHECK(reinterpret_cast<uintptr_t>(block) % 64 == 0);
    if (bytes > 0) block[0] = block[bytes - 1] = 7;
    detail::deallocate(block, bytes);
  }
  for (int64_t n : {1, 3, 1000}) CHECK(reinterpret_cast<uintptr_t>(empty({n}).data<float>()) % 64 == 0);
}

#if !defined(__SANITIZE_ADDRESS__)  // under which every block goes back at once
TEST_CASE("a block that was given back is handed out again", "[memory]") {
  release_cached_memory();
  void* first = detail::allocate(10000);
  detail::deallocate(first, 10000);
  const size_t kept = cached_bytes();
  CHECK(kept >= 10000);
  CHECK(kept <= 10000 * 9 / 8 + 64);  // an eighth is rounding
  void* second = detail::allocate(10000);
  CHECK(second == first);
  CHECK(cached_bytes() == 0);
  detail::deallocate(second, 10000);
  release_cached_memory();
  CHECK(cached_bytes() == 0);
}

TEST_CASE("two blocks in use are never the same", "[memory]") {
  release_cached_memory();
  for (int round = 0; round < 2; ++round) {
    auto* a = static_cast<unsigned char*>(detail::allocate(1000));
    auto* b = static_cast<unsigned char*>(detail::allocate(1000));
    CHECK((a + 1000 <= b || b + 1000 <= a));
    detail::deallocate(a, 1000);
    detail::deallocate(b, 1000);
  }
}

TEST_CASE("a thread has a cache of its own", "[memory]") {
  release_cached_memory();
  std::thread([] {
    detail::deallocate(detail::allocate(5000), 5000);
    CHECK(cached_bytes() >= 5000);
  }).join();
  CHECK(cached_bytes() == 0);
}
#endif

TEST_CASE("a block too large for any machine is an error that says how large", "[memory]") {
  CHECK_THROWS_WITH(detail::allocate(size_t{1} << 60),
                    contains_text("memory") && contains_text("1152921504606846976"));
}

TEST_CASE("a tensor may outlive the thread that made it", "[memory]") {
  Tensor x;
  std::thread([&] { x = full({1000}, 3); }).join();
  CHECK(x.to_vector<float>() == std::vector<float>(1000, 3.F));
}

}  // namespace reel
