#include "layers/wrappers/wrapper.h"

#include "framework/random.h"
#include "layers/wrappers/cell_dropout.h"
#include "layers/wrappers/residual.h"
#include "layers/wrappers/zoneout.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"

namespace reel::detail {

void check_probability(std::string_view wrapper, std::string_view what, double p) {
  check(p >= 0 && p <= 1, "[{}] expected a probability in [0, 1] {}, got {}", wrapper, what, p);
}

Tensor add_residual(const Tensor& output, const Tensor& input) {
  check(output.shape() == input.shape(),
        "[Residual] the cell's output {} and its input {} are added: they must have the same shape", output,
        input);
  return output + input;
}

void DropSite::draw(const Shape& shape, DType dtype) {
  if (p > 0) mask = dropout(ones(shape, {.dtype = dtype}), p);
}

Tensor DropSite::operator()(const Tensor& x, bool fresh) const {
  if (!mask.defined()) return fresh && p > 0 ? dropout(x, p) : x;
  check(mask.shape() == x.shape(), "[CellDropout] the mask of this sequence is {}, and a step came with {}",
        mask, x);
  return x * mask;
}

std::vector<DropSite> state_sites(const std::vector<double>& p, size_t tensors) {
  check(p.size() <= tensors, "[CellDropout] {} probabilities for a state of {} tensors", p.size(), tensors);
  std::vector<DropSite> sites(tensors);
  for (size_t i = 0; i < p.size(); ++i) {
    check_probability("CellDropout", "of the state", p[i]);
    sites[i].p = p[i];
  }
  return sites;
}

std::vector<double> zoneout_probabilities(std::vector<double> p, size_t tensors) {
  check(p.size() == 1 || p.size() == tensors,
        "[Zoneout] one probability expected, or one for each of the {} tensors of the state, got {}", tensors,
        p.size());
  for (double each : p) check_probability("Zoneout", "of the state", each);
  if (p.size() < tensors) p.resize(tensors, p[0]);
  return p;
}

Tensor zone_out(const Tensor& next, const Tensor& old, double p, bool draws) {
  if (p == 0 || !is_floating(next.dtype())) return next;
  if (!draws) return lerp(next, old, p);
  return lerp(next, old, bernoulli(next.shape(), p, {.dtype = next.dtype()}));
}

}  // namespace reel::detail
