#include "ops/einsum.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "ops/arithmetic.h"
#include "ops/einsum_equation.h"
#include "ops/linalg.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

using detail::Labels;

/// A tensor whose axes have names, each another.
struct Term {
  Tensor values;
  Labels labels;

  int64_t extent(char label) const { return values.shape()[labels.find(label)]; }
};

bool has(const Labels& labels, char label) { return labels.find(label) != Labels::npos; }

/// Those of `labels` for which `condition` holds.
template <class F> Labels filtered(const Labels& labels, F&& condition) {
  Labels result;
  std::copy_if(labels.begin(), labels.end(), std::back_inserter(result), condition);
  return result;
}

/// Axes of the same name as one: the diagonal, which comes last.
Term without_repeats(Tensor values, Labels labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t j = labels.find(labels[i], i + 1); j != Labels::npos; j = labels.find(labels[i], i + 1)) {
      values = detail::diagonal_last(values, i, j);
      const char label = labels[i];
      labels.erase(j, 1);
      labels.erase(i, 1);
      labels.push_back(label);
    }
  }
  return {values, labels};
}

/// Summed over the axes that `gone` tells of.
template <class F> Term summed(const Term& term, F&& gone) {
  Shape axes;
  for (size_t i = 0; i < term.labels.size(); ++i)
    if (gone(term.labels[i])) axes.push_back(static_cast<int64_t>(i));
  if (axes.empty()) return term;
  return {sum(term.values, Axes(axes)), filtered(term.labels, [&](char label) { return !gone(label); })};
}

/// Without axes of extent 1 that are longer in other terms: there they stand for repeats of the same.
Term without_repeated(const Term& term, const std::vector<Term>& all) {
  const Labels labels = filtered(term.labels, [&](char label) {
    return term.extent(label) != 1 || std::none_of(all.begin(), all.end(), [&](const Term& other) {
             return has(other.labels, label) && other.extent(label) != 1;
           });
  });
  Shape shape;
  for (char label : labels) shape.push_back(term.extent(label));
  return {reshape(term.values, shape), labels};
}

Tensor in_order(const Term& term, const Labels& labels) {
  if (labels == term.labels) return term.values;
  Shape order;
  for (char label : labels) order.push_back(static_cast<int64_t>(term.labels.find(label)));
  return permute(term.values, Axes(order));
}

/// The axes of two terms, by what becomes of them in the product.
struct Roles {
  Labels batch;        ///< In both, kept.
  Labels contracted;   ///< In both, summed over.
  Labels left, right;  ///< In one of them.

  Labels result() const { return batch + left + right; }
};

template <class Kept> Roles roles_of(const Term& a, const Term& b, Kept&& kept) {
  Roles roles;
  for (char label : a.labels)
    (!has(b.labels, label) ? roles.left : kept(label) ? roles.batch : roles.contracted).push_back(label);
  roles.right = filtered(b.labels, [&](char label) { return !has(a.labels, label); });
  return roles;
}

int64_t extent_of(const Term& term, const Labels& labels) {
  int64_t n = 1;
  for (char label : labels) n *= term.extent(label);
  return n;
}

/// x with its axes as batch, first and second group: three axes, or two where there is no batch.
Tensor grouped(const Term& x, const Labels& batch, const Labels& first, const Labels& second) {
  Shape shape{extent_of(x, first), extent_of(x, second)};
  if (!batch.empty()) shape.insert(0, extent_of(x, batch));
  return reshape(in_order(x, batch + first + second), shape);
}

/// x with axes for all of `all`, of extent 1 where x has none.
Tensor spread(const Term& x, const Labels& all) {
  const Labels own = filtered(all, [&](char label) { return has(x.labels, label); });
  Shape shape;
  for (char label : all) shape.push_back(has(own, label) ? x.extent(label) : 1);
  return reshape(in_order(x, own), shape);
}

Term product(const Term& a, const Term& b, const Roles& roles) {
  const Labels result = roles.result();
  if (roles.contracted.empty()) return {spread(a, result) * spread(b, result), result};
  if (!roles.batch.empty() && roles.left.empty() && roles.right.empty()) {
    const Labels all = roles.batch + roles.contracted;
    return summed({in_order(a, all) * in_order(b, all), all},
                  [&](char label) { return has(roles.contracted, label); });
  }
  Shape shape;
  for (char label : roles.batch + roles.left) shape.push_back(a.extent(label));
  for (char label : roles.right) shape.push_back(b.extent(label));
  const Tensor values = matmul(grouped(a, roles.batch, roles.left, roles.contracted),
                               grouped(b, roles.batch, roles.contracted, roles.right));
  return {reshape(values, shape), result};
}

/// The terms multiplied pair by pair, the pair first that makes the least of what it replaces.
class Contraction {
 public:
  Contraction(std::vector<Term> terms, const Labels& output, std::string_view equation)
      : terms_(std::move(terms)), output_(output), equation_(equation) {}

  Term run() {
    while (terms_.size() > 1) {
      const auto [i, j] = cheapest();
      const Roles roles = roles_for(i, j);
      Term joined = product(terms_[i], terms_[j], roles);
      terms_.erase(terms_.begin() + static_cast<int64_t>(j));
      terms_[i] = std::move(joined);
    }
    return terms_[0];
  }

 private:
  Roles roles_for(size_t i, size_t j) const {
    return roles_of(terms_[i], terms_[j], [&](char label) {
      if (has(output_, label)) return true;
      for (size_t k = 0; k < terms_.size(); ++k)
        if (k != i && k != j && has(terms_[k].labels, label)) return true;
      return false;
    });
  }

  std::pair<size_t, size_t> cheapest() const {
    std::pair<size_t, size_t> best{0, 0};
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < terms_.size(); ++i) {
      for (size_t j = i + 1; j < terms_.size(); ++j) {
        const Roles roles = roles_for(i, j);
        if (roles.result().size() > Shape::max_rank) continue;
        double size = 1;
        for (char label : roles.batch + roles.left) size *= static_cast<double>(terms_[i].extent(label));
        for (char label : roles.right) size *= static_cast<double>(terms_[j].extent(label));
        const double cost = size - static_cast<double>(terms_[i].values.numel() + terms_[j].values.numel());
        if (cost < least) {
          least = cost;
          best = {i, j};
        }
      }
    }
    check(best.second > 0, "[einsum] \"{}\" needs a product of more than {} axes", equation_,
          Shape::max_rank);
    return best;
  }

  std::vector<Term> terms_;
  const Labels& output_;
  std::string_view equation_;
};

}  // namespace

Tensor einsum(std::string_view equation, std::span<const Tensor> operands) {
  check(!operands.empty(), "[einsum] \"{}\": at least one operand expected, got none", equation);
  for (const Tensor& x : operands)
    check(is_floating(x.dtype()) && x.dtype() == operands[0].dtype(),
          "[einsum] \"{}\": operands of one floating dtype expected, got {} and {}", equation, operands[0],
          x);
  const detail::EinsumEquation read = detail::read_einsum(equation, operands);
  std::vector<Term> whole, terms;
  for (size_t k = 0; k < operands.size(); ++k)
    whole.push_back(without_repeats(operands[k], read.operands[k]));
  for (const Term& term : whole) terms.push_back(without_repeated(term, whole));
  for (Term& term : terms)
    term = summed(term, [&](char label) {
      if (has(read.output, label)) return false;
      return std::count_if(terms.begin(), terms.end(),
                           [&](const Term& other) { return has(other.labels, label); }) == 1;
    });
  return in_order(Contraction(std::move(terms), read.output, equation).run(), read.output);
}

Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands) {
  return einsum(equation, std::span(operands.begin(), operands.size()));
}

}  // namespace reel
