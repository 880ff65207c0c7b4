// What a user can do wrong with shape and index ops.
#include <limits>

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
#include "tests/framework/misuse.h"

namespace reel {
namespace {

constexpr int64_t huge = int64_t{1} << 62;
Tensor whole(const std::vector<int64_t>& values) { return from_vector(values); }

}  // namespace

TEST_CASE("shapes that do not follow from a tensor's", "[misuse]") {
  const Tensor x = ones({2, 3});
  refused({x}, {"[expand]", "float32 [2, 3]", "[2, 4]", "axis 1"}, [&] { expand(x, {2, 4}); });
  refused({x}, {"[expand]", "at least 2 axes", "[3]"}, [&] { expand(x, {3}); });
  refused({x}, {"[expand]", "axis 0", "[-1, 2, 3]", "-1"}, [&] { expand(x, {-1, 2, 3}); });
  refused({x}, {"[movedim]", "[0, 1]", "[0]"}, [&] { movedim(x, {0, 1}, 0); });
  refused({x}, {"[movedim]", "axis -1", "twice"}, [&] { movedim(x, {0, 1}, {1, -1}); });
  refused({x}, {"[movedim]", "axis 2", "2 axes"}, [&] { movedim(x, 2, 0); });
  refused({x}, {"[repeat]", "at least 2 counts", "[3]"}, [&] { repeat(x, {3}); });
  refused({x}, {"[repeat]", "at least 0", "-1"}, [&] { repeat(x, {1, -1}); });
  refused({x}, {"[tile]", "[2, 3]"}, [&] { tile(x, {huge}); });
  refused({x}, {"[repeat_interleave]", "axis 2"}, [&] { repeat_interleave(x, 2, 2); });
  refused({x}, {"[repeat_interleave]", "int64", "[3]", "int64 [2]"}, [&] {
    repeat_interleave(x, whole({1, 2}), 1);
  });
  refused({x}, {"[repeat_interleave]", "at least 0", "-1"}, [&] { repeat_interleave(x, whole({1, -1}), 0); });
  refused({x}, {"[meshgrid]", "one axis", "[2, 3]"}, [&] { meshgrid({x, x}); });
  refused({x}, {"[meshgrid]", "float32 [1]", "int64 [1]"}, [&] { meshgrid({ones({1}), whole({1})}); });
  refused({x}, {"[tensor_split]", "at least 1", "0"}, [&] { tensor_split(x, 0); });
  refused({x}, {"[tensor_split]", "axis 5"}, [&] { tensor_split(x, {1}, 5); });
  refused({x}, {"[slice]", "step", "-1", "flip"}, [&] { slice(x, 0, {.step = -1}); });
}

TEST_CASE("padding, flipping and diagonals out of bounds", "[misuse]") {
  const Tensor x = ones({2, 3}), n = arange(3);
  refused({x}, {"[pad]", "axis 2"}, [&] { pad(x, {{2, 1, 1}}); });
  refused({x}, {"[pad]", "axis -1", "twice"}, [&] { pad(x, {{1, 1, 1}, {-1, 1, 1}}); });
  refused({x}, {"[pad]", "-4", "axis 1", "[2, 3]"}, [&] { pad(x, {{1, -4, 5}}); });
  refused({x}, {"[pad]", "-2", "axis 1"}, [&] { pad(x, {{1, -2, -2}}); });
  refused({x}, {"[pad]", "axis 1", "[2, 3]", "3", "reflect"}, [&] {
    pad(x, {{1, 3, 0}}, {.mode = PadMode::reflect});
  });
  refused({x}, {"[pad]", "4", "circular"}, [&] { pad(x, {{1, 0, 4}}, {.mode = PadMode::circular}); });
  refused({x}, {"[pad]", "at least 0", "-1"}, [&] { pad(x, {{1, -1, 0}}, {.mode = PadMode::replicate}); });
  refused({}, {"[pad]", "[0]", "replicate"}, [&] {
    pad(zeros({0}), {{0, 1, 0}}, {.mode = PadMode::replicate});
  });
  refused({x}, {"[pad]", "memory"}, [&] { pad(x, {{1, huge, huge}}); });
  refused({n}, {"[pad]", "0.5", "int64"}, [&] { pad(n, {{0, 1, 1}}, {.value = 0.5}); });
  refused({x}, {"[flip]", "axis 2"}, [&] { flip(x, {0, 2}); });
  refused({x}, {"[flip]", "twice"}, [&] { flip(x, {0, -2}); });
  refused({x}, {"[roll]", "[1]", "[0, 1]"}, [&] { roll(x, 1, {0, 1}); });
  refused({x}, {"[roll]", "axis 3"}, [&] { roll(x, 1, 3); });
  refused({n}, {"[tril]", "matrices", "int64 [3]"}, [&] { tril(n); });
  refused({n}, {"[triu]", "matrices", "int64 [3]"}, [&] { triu(n); });
  refused({n}, {"[diagonal]", "axis 1"}, [&] { diagonal(n); });
  refused({x}, {"[diagonal]", "different", "1", "-1"}, [&] { diagonal(x, 0, 1, -1); });
  refused({x}, {"[diag_embed]", "different"}, [&] { diag_embed(x, 0, 2, -1); });
  refused({x}, {"[diag_embed]", "memory"}, [&] { diag_embed(x, std::numeric_limits<int64_t>::min()); });
  refused({}, {"[diag]", "vector", "[2, 2, 2]"}, [&] { diag(ones({2, 2, 2})); });
  refused({x}, {"[unfold]", "4", "axis 1", "[2, 3]"}, [&] { unfold(x, 1, 4, 1); });
  refused({x}, {"[unfold]", "step", "0"}, [&] { unfold(x, 1, 2, 0); });
  refused({x}, {"[unfold]", "-1"}, [&] { unfold(x, 1, -1, 1); });
}

TEST_CASE("indices along an axis that do not fit", "[misuse]") {
  const Tensor x = ones({2, 3}), row = whole({0, 3}), n = arange(3);
  const Tensor square = from_vector<int64_t>({0, 1, 2, -1}, {2, 2});
  refused({x, row}, {"[index_select]", "index 3", "position [1]", "[0, 3)"},
          [&] { index_select(x, 1, row); });
  refused({x}, {"[index_select]", "index -1", "position [0]"}, [&] { index_select(x, 1, whole({-1})); });
  refused({x}, {"[index_select]", "one axis", "int64 [2, 2]"}, [&] { index_select(x, 1, square); });
  refused({x}, {"[index_select]", "int64", "float32 [2, 3]"}, [&] { index_select(x, 1, x); });
  refused({}, {"[index_select]", "index 0", "[0, 0)"}, [&] { index_select(zeros({2, 0}), 1, whole({0})); });
  refused({x}, {"[index_add]", "float32 [2, 2]", "float32 [2, 3]"}, [&] {
    index_add(x, 1, whole({0, 1}), x);
  });
  refused({x, square}, {"[gather]", "index 2", "position [1, 0]", "[0, 2)"}, [&] { gather(x, 0, square); });
  refused({x}, {"[gather]", "index -1", "position [1, 1]", "[0, 3)"}, [&] { gather(x, 1, square); });
  refused({x}, {"[gather]", "[3]", "[2, 3]"}, [&] { gather(x, 1, n); });
  refused({x}, {"[gather]", "[3, 1]", "axes other than 1"}, [&] {
    gather(x, 1, zeros({3, 1}, {.dtype = DType::int64}));
  });
  refused({x}, {"[take_along_axis]", "index 2", "[1, 0]", "[-2, 2)"},
          [&] { take_along_axis(x, narrow(square, 1, 0, 1), 0); });
  refused({x}, {"[take_along_axis]", "2 axes", "int64 [3]"}, [&] { take_along_axis(x, n, 1); });
  refused({x}, {"[take_along_axis]", "do not broadcast"}, [&] { take_along_axis(x, square, 0); });
  refused({x}, {"[scatter]", "float32", "int64 [2, 2]"}, [&] { scatter(x, 1, square * 0, square); });
  refused({x}, {"[scatter]", "[2, 3]", "[2, 2]"}, [&] { scatter(x, 1, square * 0, x); });
  refused({x}, {"[scatter_add]", "index -1", "[1, 1]"}, [&] { scatter_add(x, 1, square, scalar(1)); });
  const Tensor yes = from_vector<bool>({true, false});
  refused({yes}, {"[scatter_add]", "bool [2]"}, [&] { scatter_add(yes, 0, whole({0}), yes); });
}

TEST_CASE("indices along several axes that do not fit", "[misuse]") {
  const Tensor x = ones({2, 3}), mask = from_vector<bool>({true, false, true}), values = ones({2});
  refused({x}, {"[index]", "index 3", "position [1]", "axis 1", "[-3, 3)"}, [&] {
    index(x, {Index::all, whole({0, 3})});
  });
  refused({x}, {"[index]", "index -3", "axis 0", "[-2, 2)"}, [&] { index(x, {-3}); });
  refused({x}, {"[index]", "more indices than axes", "[2, 3]"}, [&] { index(x, {0, 0, 0}); });
  refused({x}, {"[index]", "int64", "float32 [2, 3]"}, [&] { index(x, {x}); });
  refused({x}, {"[index]", "mask", "[3]", "[2, 3]", "axis 0"}, [&] { index(x, {mask}); });
  refused({x}, {"[index]", "[2]", "[3]", "broadcast"}, [&] { index(x, {whole({0, 1}), whole({0, 1, 2})}); });
  refused({x}, {"[index_put]", "float32", "int64 [1]"}, [&] { index_put(x, {0}, whole({1})); });
  refused({x, values}, {"[index_put]", "[2]", "[3]"}, [&] { index_put(x, {0}, values); });
  refused({x}, {"[index_put]", "at least one", "[2, 3]"}, [&] { index_put(x, {Index::all}, x); });
  refused({mask}, {"[index_put]", "bool [3]"}, [&] { index_put(mask, {0}, mask, {.accumulate = true}); });
  refused({x}, {"[masked_select]", "bool", "float32 [2, 3]"}, [&] { masked_select(x, x); });
  refused({x}, {"[masked_select]", "[2, 3]", "[4]"}, [&] {
    masked_select(x, from_vector<bool>({true, true, true, true}));
  });
  refused({x, values}, {"[masked_scatter]", "4 true elements", "only 2"},
          [&] { masked_scatter(x, mask, values); });
  refused({x}, {"[masked_scatter]", "[3, 1]", "[2, 3]"}, [&] {
    masked_scatter(x, reshape(mask, {3, 1}), x);
  });
  refused({x}, {"[masked_fill]", "float32", "int64"}, [&] { masked_fill(x, mask, whole({1})); });
  refused({x}, {"[masked_fill]", "[2]", "[2, 3]"}, [&] { masked_fill(x, mask, values); });
  refused({x}, {"[masked_fill]", "bool", "float32 [2, 3]"}, [&] { masked_fill(x, x, values); });
}

TEST_CASE("whole numbers from what has none", "[misuse]") {
  const Tensor x = ones({2}), n = whole({0, 3, -1});
  refused({x}, {"[one_hot]", "int64", "float32 [2]"}, [&] { one_hot(x); });
  refused({n}, {"[one_hot]", "index 3", "position [1]", "[0, 3)"}, [&] { one_hot(n, 3); });
  refused({n}, {"[one_hot]", "at least 0", "-1", "position [2]"}, [&] { one_hot(n); });
  refused({n}, {"[one_hot]", "at least 1 class", "0"}, [&] { one_hot(n, 0); });
  refused({}, {"[one_hot]", "int64 [0]"}, [&] { one_hot(whole({})); });
  refused({n}, {"[bincount]", "at least 0", "-1"}, [&] { bincount(n); });
  refused({x}, {"[bincount]", "int64", "float32 [2]"}, [&] { bincount(x); });
  refused({x}, {"[searchsorted]", "float32 [2]", "int64 [3]"}, [&] { searchsorted(x, n); });
  refused({n}, {"[searchsorted]", "ascending", "int64 [3]"}, [&] { searchsorted(n, n); });
}

TEST_CASE("undefined tensors into shape and index ops", "[misuse]") {
  const Tensor x = ones({2, 2}), none, n = whole({0, 1});
  const std::function<void()> uses[] = {[&] { expand(none, {2}); },
                                        [&] { squeeze(none); },
                                        [&] { movedim(none, 0, 1); },
                                        [&] { swapaxes(none, 0, 1); },
                                        [&] { repeat(none, {2}); },
                                        [&] { tile(none, {2}); },
                                        [&] { repeat_interleave(none, 2, 0); },
                                        [&] { repeat_interleave(x, none, 0); },
                                        [&] { meshgrid({none}); },
                                        [&] { flip(none, 0); },
                                        [&] { roll(none, 1); },
                                        [&] {
                                          pad(none, {{0, 1, 1}});
                                        },
                                        [&] { tril(none); },
                                        [&] { diagonal(none); },
                                        [&] { diag_embed(none); },
                                        [&] { diag(none); },
                                        [&] { unfold(none, 0, 1, 1); },
                                        [&] { tensor_split(none, 2); },
                                        [&] { index_select(none, 0, n); },
                                        [&] { index_select(x, 0, none); },
                                        [&] { index_add(x, 0, n, none); },
                                        [&] { gather(x, 0, none); },
                                        [&] { take_along_axis(x, none, 0); },
                                        [&] { scatter(x, 0, none, x); },
                                        [&] {
                                          scatter(x, 0, reshape(n, {1, 2}), none);
                                        },
                                        [&] { scatter_add(none, 0, n, x); },
                                        [&] { index(none, {0}); },
                                        [&] { index(x, {none}); },
                                        [&] { index_put(x, {0}, none); },
                                        [&] { masked_select(x, none); },
                                        [&] { masked_scatter(none, greater(x, 0), x); },
                                        [&] { masked_fill(x, none, x); },
                                        [&] { nonzero(none); },
                                        [&] { one_hot(none); },
                                        [&] { bincount(none); },
                                        [&] { searchsorted(none, x); },
                                        [&] { full_like(none, 1); }};
  for (const auto& use : uses) refused({x, n}, {"undefined"}, use);
}

}  // namespace reel
