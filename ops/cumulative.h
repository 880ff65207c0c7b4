// Running results along an axis: each element of the result is made of the elements up to its place. Numbers are
// accumulated in float64 (int64 for integers).
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/sorting.h>

namespace reel {

/// Sums; of int64, uint8 and bool in int64, without a gradient.
Tensor cumsum(const Tensor& x, int64_t axis);
/// Products, likewise. The gradient is right with any number of zeros, to every order.
Tensor cumprod(const Tensor& x, int64_t axis);
/// log(cumsum(exp(x))), safe for large and small x. Where the result is -inf the gradient is 0 (in PyTorch nan).
Tensor logcumsumexp(const Tensor& x, int64_t axis);
/// The largest element so far and its place, the last of equal ones; a nan wins.
ValuesAndIndices cummax(const Tensor& x, int64_t axis);
/// The smallest element so far, likewise.
ValuesAndIndices cummin(const Tensor& x, int64_t axis);

/// y[t] = a[t] * y[t - 1] + b[t] along `axis`, with y[0] = b[0] (a[0] is not used): the recurrence of linear
/// state-space models and gated averages. `a` and `b` broadcast; floating dtypes.
Tensor linear_recurrence(const Tensor& a, const Tensor& b, int64_t axis);

}  // namespace reel
