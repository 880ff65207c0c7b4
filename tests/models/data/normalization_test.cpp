#include "models/data/normalization.h"

#include <cmath>
#include <limits>

#include "framework/error.h"
#include "tests/catch.h"
#include "tests/framework/files.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// The third column does not vary.
Tensor training() {
  return from_vector(std::vector<double>{1, 10, 5, 2, -3, 5, 4, 8, 5, 8, 0.5, 5, 9, missing, 5}, {5, 3});
}

void check_close(const Tensor& x, const std::vector<double>& expected) {
  const auto values = x.to_vector<double>();
  REQUIRE(values.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    CHECK(values[i] == Approx(expected[i]).epsilon(1e-13).margin(1e-13));
}

}  // namespace

TEST_CASE("normalizers are those of scikit-learn", "[normalizer]") {
  const Tensor x = from_vector(std::vector<double>{3, 1, 7}, {1, 3});
  // scikit-learn 1.9.1: StandardScaler(), MinMaxScaler((-1, 1)), RobustScaler().
  check_close(Normalizer::standard(training()).transform(x), {-0.5647102246243426, -0.540466289466509, 2});
  check_close(Normalizer::min_max(training(), {.low = -1, .high = 1}).transform(x),
              {-0.5, -0.3846153846153846, 3});
  check_close(Normalizer::robust(training()).transform(x), {-0.16666666666666666, -0.36619718309859156, 2});
}

TEST_CASE("what was normalized comes back", "[normalizer]") {
  for (const Normalizer& normalizer :
       {Normalizer::standard(training()), Normalizer::min_max(training()), Normalizer::robust(training())}) {
    const Tensor x = from_vector(std::vector<double>{3, 1, 7, -4, 0, 0.25}, {1, 2, 3});
    check_close(normalizer.inverse(normalizer.transform(x)), x.to_vector<double>());
    // Single columns, as targets need them.
    const int64_t columns[] = {1};
    const Tensor y = from_vector(std::vector<double>{1, 0}, {2, 1});
    CHECK(normalizer.select(columns).transform(y).to_vector<double>()[0] ==
          normalizer.transform(x).to_vector<double>()[1]);
  }
  const Normalizer plain = Normalizer::standard(training(), {.center = false, .scale = false});
  check_close(plain.transform(from_vector(std::vector<double>{3, 1, 7})), {3, 1, 7});
  const auto scaled = Normalizer::standard(training()).transform(training()).to_vector<double>();
  CHECK(std::isnan(scaled[13]));
}

TEST_CASE("float32 stays float32", "[normalizer]") {
  const Normalizer normalizer = Normalizer::min_max(tensor({{1, 10}, {3, 30}}));
  const Tensor y = normalizer.transform(tensor({{2, 15}}));
  CHECK(y.dtype() == DType::float32);
  CHECK(y.to_vector<float>() == std::vector<float>{0.5F, 0.25F});
}

TEST_CASE("a normalizer comes back from its file to the bit", "[normalizer]") {
  const TemporaryFolder folder;
  const std::string path = (folder / "normalizer.json").string();
  const Normalizer before = Normalizer::standard(training());
  before.save(path);
  const Normalizer after = Normalizer::load(path);
  CHECK(after.center() == before.center());
  CHECK(after.scale() == before.scale());

  const auto refused = [](const std::string& center, const std::string& scale, const char* part) {
    const std::string text =
        R"({"format":"reel.normalizer","version":1,"center":)" + center + R"(,"scale":)" + scale + "}";
    CHECK_THROWS_AS(Normalizer::from_json(text), FileError);
    CHECK_THROWS_WITH(Normalizer::from_json(text), contains_text("normalizer: ") && contains_text(part));
  };
  refused("[1]", "[0]", "a finite scale above 0, got 1 and 0");
  refused("[1,2]", "[1]", "2 centers and 1 scales");
  refused("[null]", "[1]", "center must hold numbers, got null");
  refused("3", "[1]", "center must be an array, got number");
}

TEST_CASE("misuse of normalizers is refused", "[normalizer]") {
  CHECK_THROWS_WITH(Normalizer::standard(from_vector(std::vector<int64_t>{1})),
                    contains_text("got int64 [1]"));
  CHECK_THROWS_WITH(Normalizer::standard(full({3, 2}, missing)),
                    contains_text("column 0") && contains_text("no value"));
  CHECK_THROWS_WITH(Normalizer::min_max(full({3, 2}, std::numeric_limits<double>::infinity())),
                    contains_text("infinite value"));
  CHECK_THROWS_WITH(Normalizer::min_max(training(), {.low = 1, .high = 1}),
                    contains_text("low must be below high"));
  CHECK_THROWS_WITH(Normalizer::robust(training(), {.low = 0.8, .high = 0.2}),
                    contains_text("got 0.8 and 0.2"));
  const Normalizer normalizer = Normalizer::standard(training());
  CHECK_THROWS_WITH(normalizer.transform(zeros({4, 2})), contains_text("[..., 3], got float32 [4, 2]"));
  const int64_t columns[] = {3};
  CHECK_THROWS_WITH(normalizer.select(columns), contains_text("no column 3 of 3"));
}

}  // namespace reel
