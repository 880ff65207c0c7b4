// Catch2, in whichever version the system has, and what differs in name between the two: 2.13 is one header,
// 3 is many. Tests include this and never Catch2 itself.
#pragma once

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

using Catch::Approx;  // as 2.13 has it
#else
#include <catch2/catch.hpp>
#endif

namespace reel {

// The matcher of texts that contain `part`, as in REQUIRE_THROWS_WITH(add(a, b), contains_text("shape")).
inline auto contains_text(const std::string& part) {
#if CATCH_VERSION_MAJOR >= 3
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

}  // namespace reel
