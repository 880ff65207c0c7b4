#include "ops/rows.h"

#include <cstring>

#include "framework/op.h"
#include "framework/parallel.h"

namespace reel::detail {
namespace {

constexpr int64_t bytes_of_a_share = 1 << 16;

/// y[i] = x[there[i]], or 0
struct PlaceRows {
  static constexpr std::string_view name = "place_rows";
  std::shared_ptr<const RowMap> map;
  bool inverse = false;

  const std::vector<int64_t>& from() const { return inverse ? map->back : map->there; }

  TensorSpec shape(Inputs in) const {
    Shape result = in[0].shape();
    const size_t rows = (inverse ? map->there : map->back).size();
    check(result.rank() >= 1 && result[0] == static_cast<int64_t>(rows),
          "[place_rows] expected {} rows, got {}", rows, in[0]);
    result[0] = static_cast<int64_t>(from().size());
    return {result, in[0].dtype()};
  }

  void forward(Inputs in, Tensor& out) const {
    const Tensor x = contiguous_values(in[0]);
    const auto* source = static_cast<const std::byte*>(x.raw_bytes());
    auto* target = static_cast<std::byte*>(out.raw_bytes());
    const auto rows = static_cast<int64_t>(from().size());
    if (out.numel() == 0) return;
    const int64_t bytes = out.numel() / rows * static_cast<int64_t>(item_size(out.dtype()));
    parallel_for(rows, std::max<int64_t>(1, bytes_of_a_share / bytes), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = from()[static_cast<size_t>(i)];
        if (row < 0)
          std::memset(target + i * bytes, 0, static_cast<size_t>(bytes));
        else
          std::memcpy(target + i * bytes, source + row * bytes, static_cast<size_t>(bytes));
      }
    });
  }

  void vjp(Backward& b) const { b.set(0, place_rows(b.grad(), map, !inverse)); }
};

}  // namespace

std::shared_ptr<const RowMap> row_map(std::vector<int64_t> there, int64_t count) {
  auto map = std::make_shared<RowMap>();
  map->back.assign(static_cast<size_t>(count), -1);
  for (size_t i = 0; i < there.size(); ++i)
    if (there[i] >= 0) map->back[static_cast<size_t>(there[i])] = static_cast<int64_t>(i);
  map->there = std::move(there);
  return map;
}

Tensor place_rows(const Tensor& x, const std::shared_ptr<const RowMap>& map, bool inverse) {
  return apply(PlaceRows{map, inverse}, x);
}

}  // namespace reel::detail
