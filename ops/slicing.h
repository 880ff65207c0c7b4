// Taking tensors apart and putting them together: slices, parts, and their inverses.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

struct SliceOptions {
  int64_t start = 0;         ///< Negative counts from the end; clipped to the axis.
  int64_t stop = INT64_MAX;  ///< Exclusive; likewise.
  int64_t step = 1;          ///< At least 1; flip() turns an axis round.
};
/// x[start:stop:step] along `axis`, by NumPy's rules. A view.
Tensor slice(const Tensor& x, int64_t axis, const SliceOptions& range);
/// `length` elements along `axis` from `start`; throws where they do not lie within the axis. A view.
Tensor narrow(const Tensor& x, int64_t axis, int64_t start, int64_t length);
/// Element `index` along `axis`, which disappears; negative counts from the end. A view.
Tensor select(const Tensor& x, int64_t axis, int64_t index);

/// Joined along an existing axis; all other extents must agree.
Tensor cat(std::span<const Tensor> tensors, int64_t axis = 0);
Tensor cat(std::initializer_list<Tensor> tensors, int64_t axis = 0);
/// Joined along a new axis; all shapes must agree.
Tensor stack(std::span<const Tensor> tensors, int64_t axis = 0);
Tensor stack(std::initializer_list<Tensor> tensors, int64_t axis = 0);
/// Parts of the given lengths along `axis`, which they must fill. Views.
std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& lengths, int64_t axis = 0);
/// Parts of `length` along `axis`, the last one shorter if need be. Views.
std::vector<Tensor> split(const Tensor& x, int64_t length, int64_t axis = 0);
/// At most `parts` parts of equal length along `axis`, the last one shorter if need be. Views.
std::vector<Tensor> chunk(const Tensor& x, int64_t parts, int64_t axis = 0);
/// N parts of equal length: const auto [i, f, g, o] = chunk<4>(gates, -1). Throws where `axis` does not
/// divide by N. Views.
template <size_t N> std::array<Tensor, N> chunk(const Tensor& x, int64_t axis);
/// `sections` parts along `axis`, the first ones longer by 1 where it does not divide, as NumPy's array_split. Views.
std::vector<Tensor> tensor_split(const Tensor& x, int64_t sections, int64_t axis = 0);
/// Parts that begin at 0 and at each of `indices`, by the rules of slice(). Views.
std::vector<Tensor> tensor_split(const Tensor& x, const std::vector<int64_t>& indices, int64_t axis = 0);
/// The elements along `axis`, each without it. Views.
std::vector<Tensor> unbind(const Tensor& x, int64_t axis = 0);

template <size_t N> std::array<Tensor, N> chunk(const Tensor& x, int64_t axis) {
  constexpr auto count = static_cast<int64_t>(N);
  check(x.size(axis) % count == 0, "[chunk] axis {} of {} does not divide by {}", axis, x, count);
  const int64_t length = x.size(axis) / count;
  const std::vector<Tensor> parts =
      length > 0 ? split(x, length, axis) : split(x, std::vector<int64_t>(N, 0), axis);
  std::array<Tensor, N> result;
  for (size_t i = 0; i < N; ++i) result[i] = parts[i];
  return result;
}

}  // namespace reel
