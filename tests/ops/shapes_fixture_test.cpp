// Shape and index ops against PyTorch: values and gradients.
#include <map>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/diagonal.h"
#include "ops/discrete.h"
#include "ops/flip.h"
#include "ops/gather.h"
#include "ops/index.h"
#include "ops/pad.h"
#include "ops/repeat.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/windows.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor whole(const std::vector<int64_t>& values, const Shape& shape) { return from_vector(values, shape); }
Tensor whole(const std::vector<int64_t>& values) { return from_vector(values); }

Tensor mask() {
  std::vector<bool> values;
  for (int i = 0; i < 24; ++i) values.push_back(i % 12 * 7 % 3 == 1);
  return from_vector(values, {2, 3, 4});
}

using Case = Tensor (*)(const Tensor& x, const Tensor& y);

/// The same names as in fixtures_shapes.py.
const std::map<std::string, Case>& cases() {
  static const Tensor gathered = whole({2, 0, 0, 1, 2, 2, 1, 0, 0, 0, 1, 1, 0, 2, 2, 1}, {2, 2, 4});
  static const Tensor unique = whole({2, 0, 0, 1, 1, 2, 1, 0, 0, 0, 1, 1, 2, 1, 2, 2}, {2, 2, 4});
  static const Tensor a = whole({0, -1}, {2, 1}), b = whole({1, 0, 1});
  static const Tensor some = from_vector<bool>({true, false, true});
  using T = const Tensor&;
  static const std::map<std::string, Case> all = {
      {"pad_constant",
       [](T x, T) {
         return pad(x, {{2, 2, 1}, {1, 0, 3}}, {.value = 0.5});
       }},
      {"pad_crop",
       [](T x, T) {
         return pad(x, {{1, 1, -2}, {2, -1, 2}}, {.value = -1});
       }},
      {"pad_reflect",
       [](T x, T) {
         return pad(x, {{2, 3, 2}, {1, 1, 2}}, {.mode = PadMode::reflect});
       }},
      {"pad_replicate",
       [](T x, T) {
         return pad(x, {{2, 3, 5}, {1, 4, 1}}, {.mode = PadMode::replicate});
       }},
      {"pad_circular",
       [](T x, T) {
         return pad(x, {{2, 4, 2}, {1, 1, 3}}, {.mode = PadMode::circular});
       }},
      {"roll",
       [](T x, T) {
         return roll(x, {1, -6}, {0, 2});
       }},
      {"roll_flat", [](T x, T) { return roll(x, 5); }},
      {"flip",
       [](T x, T) {
         return flip(x, {0, -1});
       }},
      {"tril", [](T x, T) { return tril(x, -1); }},
      {"triu", [](T x, T) { return triu(x, 1); }},
      {"diagonal", [](T x, T) { return diagonal(x, 1, 2, 1); }},
      {"diagonal_below", [](T x, T) { return diagonal(x, -1, 0, 2); }},
      {"diag_embed", [](T x, T) { return diag_embed(select(x, 0, 0), 1, 0, 2); }},
      {"unfold", [](T x, T) { return unfold(x, 2, 3, 1); }},
      {"unfold_step", [](T x, T) { return unfold(unfold(x, 1, 2, 1), 2, 2, 2); }},
      {"repeat",
       [](T x, T) {
         return repeat(x, {2, 1, 3, 2});
       }},
      {"tile",
       [](T x, T) {
         return tile(x, {2, 3});
       }},
      {"repeat_interleave", [](T x, T) { return repeat_interleave(x, 2, 1); }},
      {"repeat_interleave_counts",
       [](T x, T) {
         return repeat_interleave(x, whole({2, 0, 1, 3}), 2);
       }},
      {"movedim",
       [](T x, T) {
         return movedim(x, {0, 2}, {2, 1});
       }},
      {"expand",
       [](T x, T) {
         return expand(narrow(x, 1, 0, 1), {2, -1, 5, -1});
       }},
      {"index_select",
       [](T x, T) {
         return index_select(x, 1, whole({2, 0, 2, 2}));
       }},
      {"index_add",
       [](T x, T y) {
         return index_add(x, 1, whole({2, 0, 2}), y);
       }},
      {"gather", [](T x, T) { return gather(x, 1, gathered); }},
      {"take_along",
       [](T x, T) {
         return take_along_axis(x, whole({1, 0, 1}, {1, 3, 1}), 0);
       }},
      {"scatter", [](T x, T y) { return scatter(x, 1, unique, narrow(y, 1, 0, 2)); }},
      {"scatter_add", [](T x, T y) { return scatter_add(x, 1, gathered, narrow(y, 1, 0, 2)); }},
      {"index_adjacent",
       [](T x, T) {
         return index(x, {Index::all, b, a});
       }},
      {"index_apart",
       [](T x, T) {
         return index(x, {a, Index::all, b});
       }},
      {"index_number",
       [](T x, T) {
         return index(x, {Index::all, -1});
       }},
      {"index_mask", [](T x, T) { return index(x, {mask()}); }},
      {"index_mask_rows",
       [](T x, T) {
         return index(x, {Index::all, some});
       }},
      {"index_mask_beside",
       [](T x, T) {
         return index(x, {1, some, whole({3, 0})});
       }},
      {"index_put",
       [](T x, T y) {
         return index_put(x, {whole({1, 0}), whole({2, 2})}, select(y, 1, 0));
       }},
      {"index_put_accumulate",
       [](T x, T y) {
         return index_put(x, {a, b}, select(select(y, 0, 0), 0, 0), {.accumulate = true});
       }},
      {"masked_select", [](T x, T) { return masked_select(x, select(mask(), 0, 0)); }},
      {"masked_scatter", [](T x, T y) { return masked_scatter(x, mask(), y); }},
      {"masked_fill",
       [](T x, T y) { return masked_fill(x, mask(), select(select(select(y, 0, 0), 0, 0), 0, 0)); }},
  };
  return all;
}

}  // namespace

TEST_CASE("shape and index ops are PyTorch's, values and gradients", "[shapes]") {
  const SafetensorsFile file = load_reference("ops/shapes");
  size_t values = 0;
  for (const auto& [name, tensor] : file.tensors) values += name.ends_with(".value");
  CHECK(values == cases().size());
  for (const auto& [name, f] : cases()) {
    for (DType dtype : {DType::float64, DType::float32}) {
      INFO(name << " " << detail::text(dtype));
      const Tensor x = cast(file.at("x"), dtype), y = cast(file.at("y"), dtype),
                   w = cast(file.at("w"), dtype);
      const double tolerance =
          dtype == DType::float64 ? 1e-15 : 1e-6;  // relative: sums of a few terms of size 1
      Tape tape;
      tape.watch(x);
      tape.watch(y);
      const Tensor value = f(x, y);
      CHECK(difference_in_value(value, file.at(name + ".value"), tolerance, tolerance) == "");
      const Tensor upper = reshape(narrow(w, 0, 0, value.numel()), value.shape());
      const auto gradients = tape.gradient(value, {x, y}, {.gradient = upper});
      CHECK(difference_in_value(gradients[0], file.at(name + ".grad.x"), tolerance, tolerance) == "");
      if (file.contains(name + ".grad.y"))
        CHECK(difference_in_value(gradients[1], file.at(name + ".grad.y"), tolerance, tolerance) == "");
    }
  }
}

TEST_CASE("selections and factories are PyTorch's", "[shapes]") {
  const SafetensorsFile file = load_reference("ops/selection");
  const Tensor row = file.at("row"), values = file.at("values"), n = file.at("whole");
  CHECK(difference(nonzero(file.at("x")), file.at("nonzero.value")) == "");
  CHECK(difference(one_hot(n, 5), file.at("one_hot.value")) == "");
  CHECK(difference(bincount(n, 6), file.at("bincount.value")) == "");
  CHECK(difference(searchsorted(row, values), file.at("searchsorted.left")) == "");
  CHECK(difference(searchsorted(row, values, true), file.at("searchsorted.right")) == "");
  const TensorOptions wide{.dtype = DType::float64};
  CHECK(difference(arange(0.5, 2, 0.25, wide), file.at("arange")) == "");
  CHECK(difference(arange(1.0, -1.0, -0.3, wide), file.at("arange.down"), 1e-15) == "");
  CHECK(difference(logspace(-1, 2, 5, 10, wide), file.at("logspace"), 0, 1e-15) == "");
  const auto parts = tensor_split(n, 3), cut = tensor_split(n, {1, 3});
  for (size_t i = 0; i < 3; ++i) {
    CHECK(difference(parts.at(i), file.at("tensor_split." + std::to_string(i))) == "");
    CHECK(difference(cut.at(i), file.at("tensor_split_at." + std::to_string(i))) == "");
  }
  for (const auto& [indexing, name] : {std::pair{Indexing::ij, "ij"}, std::pair{Indexing::xy, "xy"}}) {
    const auto grids = meshgrid({row, select(values, 0, 0)}, indexing);
    for (size_t i = 0; i < 2; ++i)
      CHECK(difference(grids.at(i), file.at(std::string("meshgrid.") + name + "." + std::to_string(i))) ==
            "");
  }
}

}  // namespace reel
