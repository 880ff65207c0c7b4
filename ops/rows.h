// Rows in other places: how sequences of different lengths are laid side by side without gaps, and back. Internal.
#pragma once

#include <memory>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel::detail {

/// Where rows go: result row i is input row there[i], or zeros where that is -1, and input row j becomes result row
/// back[j], or none. No input row may go to two places.
struct RowMap {
  std::vector<int64_t> there, back;
};

/// The map of which `there` is given, of `count` input rows.
std::shared_ptr<const RowMap> row_map(std::vector<int64_t> there, int64_t count);

/// x [R, ...] to [there, ...]; `inverse`: x [there, ...] to [R, ...], zeros where no row comes from.
Tensor place_rows(const Tensor& x, const std::shared_ptr<const RowMap>& map, bool inverse = false);

}  // namespace reel::detail
