#include "framework/shape.h"

#include "tests/catch.h"

namespace reel {

TEST_CASE("a shape is a list of at most 8 extents", "[shape]") {
  Shape shape{2, 3};
  CHECK(shape.rank() == 2);
  CHECK(shape.numel() == 6);
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{3, 0}.numel() == 0);
  CHECK(shape.str() == "[2, 3]");
  CHECK(Shape{}.str() == "[]");
  shape.insert(0, 5);
  CHECK(shape == Shape{5, 2, 3});
  shape.insert(3, 7);
  CHECK(shape == Shape{5, 2, 3, 7});
  shape.erase(1);
  CHECK(shape == Shape{5, 3, 7});
  CHECK(shape.back() == 7);
  CHECK_FALSE(Shape{1, 2} == Shape{1, 2, 1});
  CHECK_FALSE(Shape{1, 2} == Shape{2, 1});
  Shape full{1, 2, 3, 4, 5, 6, 7, 8};
  CHECK_THROWS_AS(full.push_back(9), Error);
  CHECK_THROWS_AS(full.insert(0, 9), Error);
  CHECK(full == Shape{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK_THROWS_WITH((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), contains_text("8"));
}

TEST_CASE("shapes broadcast by NumPy's rule", "[shape]") {
  const auto broadcast = [](const Shape& a, const Shape& b) {
    return detail::broadcast_shapes("test", a, b);
  };
  const auto both = [&](const Shape& a, const Shape& b, const Shape& expected) {
    CHECK(broadcast(a, b) == expected);
    CHECK(broadcast(b, a) == expected);
  };
  both({2, 3}, {2, 3}, {2, 3});
  both({2, 3}, {3}, {2, 3});
  both({2, 3}, {1}, {2, 3});
  both({2, 3}, {}, {2, 3});
  both({2, 1}, {1, 3}, {2, 3});
  both({2, 1, 4}, {3, 1}, {2, 3, 4});
  both({0, 3}, {1, 3}, {0, 3});
  both({1}, {0}, {0});
  both({}, {}, {});
  CHECK_THROWS_WITH(broadcast({2, 3}, {4}),
                    contains_text("[test]") && contains_text("[2, 3]") && contains_text("[4]"));
  CHECK_THROWS_AS(broadcast({2}, {0}), Error);
}

TEST_CASE("axes count from either end", "[shape]") {
  CHECK(detail::normalize_axis("test", 0, 3) == 0);
  CHECK(detail::normalize_axis("test", -1, 3) == 2);
  CHECK(detail::normalize_axis("test", -3, 3) == 0);
  CHECK_THROWS_WITH(detail::normalize_axis("test", 3, 3),
                    contains_text("[test]") && contains_text("axis 3") && contains_text("3 axes"));
  CHECK_THROWS_AS(detail::normalize_axis("test", -4, 3), Error);
  CHECK_THROWS_AS(detail::normalize_axis("test", 0, 0), Error);
}

TEST_CASE("strides of rows, and of what repeats", "[shape]") {
  CHECK(detail::contiguous_strides({2, 3, 4}) == Shape{12, 4, 1});
  CHECK(detail::broadcast_strides({3, 1}, {1, 1}, {2, 3, 4}) == Shape{0, 1, 0});
  CHECK(detail::broadcast_strides({1, 4}, {9, 2}, {1, 4}) == Shape{9, 2});
}

}  // namespace reel
