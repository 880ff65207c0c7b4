// How the arguments of a row of the gradient table are laid out.
#include <cmath>
#include <numeric>

#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/ops/gradient_table.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr double gap = 0.3;  // around zero, where a domain has both signs

/// Values spread over the domain in a fixed scattered order, every one different over all of a case's
/// arguments.
std::vector<Tensor> spread(const Shapes& shapes, const Domain& domain) {
  int64_t total = 0;
  for (const Shape& shape : shapes) total += shape.numel();
  int64_t stride = std::max<int64_t>(1, total * 5 / 8);
  while (std::gcd(stride, total) > 1) ++stride;
  int64_t next = 0;
  std::vector<Tensor> result;
  for (const Shape& shape : shapes)
    result.push_back(build(shape, DType::float64, [&](const Shape&) {
      const double place = (static_cast<double>(next++ * stride % total) + 0.5) / static_cast<double>(total);
      const double x = domain.low + (domain.high - domain.low) * place;
      return domain.low < 0 && domain.high > 0 ? x * (1 - gap / domain.high) + std::copysign(gap, x) : x;
    }));
  return result;
}

Tensor reversed_axes(const Tensor& x) {
  Shape order = x.shape();
  for (size_t i = 0; i < order.rank(); ++i) order[i] = static_cast<int64_t>(order.rank() - 1 - i);
  return permute(x, Axes(order));
}

Tensor stepped(const Tensor& x) {
  if (x.rank() == 0) return x;
  Shape wide = x.shape();
  wide[wide.rank() - 1] = 2 * wide.back() + 1;
  Tensor result = slice(full(wide, 7, {.dtype = x.dtype()}), -1, {.start = 1, .step = 2});
  detail::copy_values(x, result);
  return result;
}

/// A sum of everything that f gives, each element weighted differently.
Tensor weighted_total(const std::vector<Tensor>& outputs) {
  Tensor total = scalar(0, {.dtype = DType::float64});
  for (const Tensor& output : outputs)
    total = total + sum(output * reshape(linspace(0.5, 1.5, output.numel(), {.dtype = DType::float64}),
                                         output.shape()));
  return total;
}

}  // namespace

std::string text(Layout layout) {
  switch (layout) {
    case Layout::contiguous:
      return "contiguous";
    case Layout::transposed:
      return "transposed";
    case Layout::stepped:
      return "stepped";
    case Layout::repeated:
      return "repeated";
    case Layout::with_shared:
      return "beside a shared gradient";
    case Layout::with_own:
      return "beside an own gradient";
  }
  return "?";
}

GradientCase make_case(const GradientRow& row, const Shapes& shapes, const Domain& domain, Layout layout) {
  GradientCase result{row.function, {}};
  const size_t count = shapes.size();
  if (layout == Layout::repeated) {
    Shapes single = shapes;
    for (Shape& shape : single)
      if (shape.rank() > 0 && shape[0] > 1) shape[0] = 1;
    result.arguments = spread(single, domain);
    result.function = [f = row.function, shapes](const std::vector<Tensor>& x) {
      std::vector<Tensor> repeated;
      for (size_t i = 0; i < x.size(); ++i) repeated.push_back(broadcast_to(x[i], shapes[i]));
      return f(repeated);
    };
    return result;
  }
  result.arguments = spread(shapes, domain);
  for (Tensor& x : result.arguments) {
    if (layout == Layout::transposed) x = reversed_axes(clone(reversed_axes(x)));
    if (layout == Layout::stepped) x = stepped(x);
  }
  if (layout == Layout::with_shared) {
    for (size_t i = 0; i < count; ++i) result.arguments.push_back(ones_like(result.arguments[i]));
    result.function = [f = row.function, count](const std::vector<Tensor>& x) {
      Tensor total = weighted_total(f({x.begin(), x.begin() + static_cast<int64_t>(count)}));
      for (size_t i = 0; i < count; ++i) total = total + sum(x[i] + x[count + i]);
      return std::vector<Tensor>{total};
    };
  }
  if (layout == Layout::with_own) {
    result.function = [f = row.function](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{weighted_total(f(x)) + weighted_total(x)};
    };
  }
  return result;
}

}  // namespace reel
