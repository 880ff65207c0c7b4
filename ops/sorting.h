// Elements in order: sorting, the largest and smallest with their places. Of any dtype; values carry gradients to
// where they came from. A nan counts as larger than every number.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// Elements of a tensor, and the int64 indices along the axis at which they stand.
struct ValuesAndIndices {
  Tensor values, indices;
};

/// Sorted along `axis`; equal elements (and nans) keep their order, descending too.
ValuesAndIndices sort(const Tensor& x, int64_t axis = -1, bool descending = false);
/// The indices of sort().
Tensor argsort(const Tensor& x, int64_t axis = -1, bool descending = false);
/// The k largest (or smallest) elements along `axis` in order, of equal ones the first. Throws unless 0 <= k <= extent.
ValuesAndIndices topk(const Tensor& x, int64_t k, int64_t axis = -1, bool largest = true);

/// The largest element along `axis` and its place: max() and argmax() in one, as PyTorch's max(x, dim). The first of
/// equal ones gets the whole gradient; a nan wins. Throws over no elements.
ValuesAndIndices max_with_index(const Tensor& x, int64_t axis = -1, bool keepdim = false);
/// Likewise the smallest; here too a nan wins.
ValuesAndIndices min_with_index(const Tensor& x, int64_t axis = -1, bool keepdim = false);

}  // namespace reel
