// The one table of gradients: a row for every differentiable op of the library. A row gives a function, the
// shapes and the range of its arguments; gradient_table_test.cpp runs each through differences, first and
// second order, in every layout of memory. A new op gets its row in a gradient_*.cpp beside this file, and
// nothing else.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "framework/gradcheck.h"
#include "framework/shape.h"
#include "framework/tensor.h"

namespace reel {

/// The values of a row's arguments lie in here, all of them different, none within 0.3 of zero when both
/// signs occur: so that no kink is near.
struct Domain {
  double low = -2;
  double high = 2;
};

using Shapes = std::vector<Shape>;

struct GradientRow {
  std::string name;
  std::set<std::string>
      ops;  ///< Names under which the function, or its recorded backward, appears on the tape.
  TensorFunction function;
  std::vector<Shapes> cases;  ///< Shapes of the arguments; each set is one case.
  std::vector<Domain> domains = {{}};
  GradcheckOptions options = {};
};

const std::vector<GradientRow>& gradient_table();

/// Where rows come from: `const RowSource rows(add_products);` in the file that holds them puts them into the table.
struct RowSource {
  explicit RowSource(void (*add)(std::vector<GradientRow>& table));
};

/// Shapes for functions of one argument that take any.
inline const std::vector<Shapes> one_argument = {{{2, 3}}, {{3}},    {{}},       {{1, 3}},
                                                 {{2, 1}}, {{0, 3}}, {{2, 3, 2}}};

/// An op that has no gradient, and why.
struct ExemptOp {
  std::string name;
  std::string reason;
  TensorFunction function;  ///< Runs it on two float64 tensors [2, 3].
};

const std::vector<ExemptOp>& exempt_ops();

/// The same for exempt ops.
struct ExemptSource {
  explicit ExemptSource(void (*add)(std::vector<ExemptOp>& list));
};

/// How the arguments of a row lie in memory, and what else they are used for.
enum class Layout {
  contiguous,
  transposed,   ///< Axes in the reverse order in memory.
  stepped,      ///< Every second element of a longer last axis.
  repeated,     ///< The first axis repeated without a copy (stride 0).
  with_shared,  ///< Also added to another leaf, so that backward meets a gradient whose memory is shared.
  with_own,     ///< Also multiplied, so that backward meets a gradient that it may add to in place.
};
inline constexpr Layout all_layouts[] = {Layout::contiguous, Layout::transposed,  Layout::stepped,
                                         Layout::repeated,   Layout::with_shared, Layout::with_own};
std::string text(Layout layout);

/// A row's function and its arguments in one layout.
struct GradientCase {
  TensorFunction function;
  std::vector<Tensor> arguments;
};
GradientCase make_case(const GradientRow& row, const Shapes& shapes, const Domain& domain, Layout layout);

}  // namespace reel
