// Reductions made of others, over any axes; without axes, over all of them: products, logic, norms, the logarithm of
// a sum of exponentials.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/axes.h>

namespace reel {

/// Product; 1 over no elements. The gradient is right with any number of zeros, to every order. Of int64, uint8 and
/// bool the product is int64, without a gradient.
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, const Axes& axes, bool keepdim = false);

/// Whether all elements differ from 0, as bool; true over none. Any dtype; a nan differs from 0.
Tensor all(const Tensor& x);
Tensor all(const Tensor& x, const Axes& axes, bool keepdim = false);
/// Whether any element differs from 0, likewise; false over none.
Tensor any(const Tensor& x);
Tensor any(const Tensor& x, const Axes& axes, bool keepdim = false);
/// How many elements differ from 0, as int64.
Tensor count_nonzero(const Tensor& x);
Tensor count_nonzero(const Tensor& x, const Axes& axes, bool keepdim = false);

/// log(sum(exp(x))), safe for large and small x; -inf over no elements, and where all are -inf. There the gradient is
/// 0 (in PyTorch nan), so that states of probability 0 do no harm; at +inf it is nan.
Tensor logsumexp(const Tensor& x);
Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim = false);

/// (sum |x|^p)^(1/p) of the elements taken as a vector; the largest |x| for p = INFINITY, the smallest for -INFINITY,
/// the number of elements that are not 0 for p = 0. As in torch.norm the gradient at 0 is 0, and equal extremes share
/// it evenly.
Tensor norm(const Tensor& x, double p = 2);
Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim = false);

}  // namespace reel
