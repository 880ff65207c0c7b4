#include "layers/wrappers/attending.h"

#include <algorithm>
#include <limits>

#include "layers/initializers.h"
#include "layers/ragged.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/softmax.h"

namespace reel {
namespace {

Tensor draw_weight(int64_t out, int64_t in) { return detail::parameter(uniform_fan_in_(empty({out, in}))); }

}  // namespace

MemoryAttention::MemoryAttention(Sizes sizes, AttentionScore score) : sizes_(sizes), score_(score) {
  if (score == AttentionScore::additive) {
    query_weight = draw_weight(sizes.width, sizes.query);
    memory_weight = draw_weight(sizes.width, sizes.memory);
    score_weight = draw_weight(1, sizes.width);
  } else if (score == AttentionScore::general) {
    memory_weight = draw_weight(sizes.query, sizes.memory);
  }
}

MemoryAttention::Memory MemoryAttention::read(const Tensor& memory, const Padding& padding) const {
  check(memory.defined() && memory.rank() == 3 && memory.shape()[0] >= 1 &&
            memory.shape()[2] == sizes_.memory && is_floating(memory.dtype()),
        "[attend_to] a memory [S, N, {}] of at least one step expected, got {}", sizes_.memory,
        memory.defined() ? detail::text(memory) : std::string("none"));
  const int64_t steps = memory.shape()[0], batch = memory.shape()[1];
  const auto ragged = detail::ragged(padding, steps, batch, "attend_to");
  Memory result{contiguous(transpose(memory, 0, 1)), {}, {}};
  if (!ragged) return result;
  // Rows without any step get even weights, which are then taken away: the softmax of nothing would be nan.
  std::vector<double> added(static_cast<size_t>(batch * steps), -std::numeric_limits<double>::infinity());
  for (size_t i = 0; i < ragged->row.size(); ++i)
    added[static_cast<size_t>(ragged->row[i] * steps + ragged->step[i])] = 0;
  std::vector<double> rest;
  for (size_t n = 0; n < ragged->lengths.size(); ++n) {
    rest.push_back(ragged->lengths[n] > 0 ? 1 : 0);
    if (ragged->lengths[n] > 0) continue;
    const auto row = added.begin() + static_cast<std::ptrdiff_t>(n) * steps;
    std::fill(row, row + steps, 0.0);
  }
  result.padding = cast(from_vector(added, {batch, steps}), memory.dtype());
  if (std::find(rest.begin(), rest.end(), 0.0) != rest.end())
    result.rest = cast(from_vector(rest, {batch, 1}), memory.dtype());
  return result;
}

void MemoryAttention::attend_to(const Tensor& memory, const Padding& padding) {
  memory_ = read(memory, padding);
  keys_ = Tensor();
}

int64_t MemoryAttention::memory_length() const {
  return memory_.rows.defined() ? memory_.rows.shape()[1] : 0;
}

Tensor MemoryAttention::keys() const {
  return memory_weight.defined() ? linear(memory_.rows, memory_weight) : memory_.rows;
}

MemoryAttention MemoryAttention::begin(const SequenceStart& start) const {
  check(memory_.rows.defined(),
        "[Attending] there is nothing to attend to: attend_to(decoder, memory) comes first");
  check(memory_.rows.shape()[0] == start.batch && memory_.rows.dtype() == start.dtype,
        "[Attending] the memory has {} rows of {}, and a sequence of {} rows of {} begins",
        memory_.rows.shape()[0], memory_.rows.dtype(), start.batch, start.dtype);
  MemoryAttention begun = *this;
  begun.keys_ = keys();
  return begun;
}

MemoryAttention::Answer MemoryAttention::operator()(const Tensor& query) const {
  if (!memory_.rows.defined()) {
    check(detail::SizeInference::current() != nullptr,
          "[Attending] there is nothing to attend to: attend_to(decoder, memory) comes first");
    const TensorOptions options{.dtype = query.dtype()};
    return {zeros({query.shape()[0], sizes_.memory}, options), zeros({query.shape()[0], 0}, options)};
  }
  check(query.rank() == 2 && query.shape()[0] == memory_.rows.shape()[0] && query.shape()[1] == sizes_.query,
        "[Attending] a query [{}, {}] expected for the {} rows of the memory, got {}",
        memory_.rows.shape()[0], sizes_.query, memory_.rows.shape()[0], query);
  const Tensor by_key = keys_.defined() ? keys_ : keys();
  Tensor scores;
  if (score_ == AttentionScore::additive) {
    const Tensor sum = unsqueeze(linear(query, query_weight), 1) + by_key;
    scores = squeeze(linear(tanh(sum), score_weight), -1);
  } else {
    scores = squeeze(matmul(by_key, unsqueeze(query, -1)), -1);
  }
  if (memory_.padding.defined()) scores = scores + memory_.padding;
  Tensor alignment = softmax(scores, -1);
  if (memory_.rest.defined()) alignment = alignment * memory_.rest;
  return {squeeze(matmul(unsqueeze(alignment, 1), memory_.rows), 1), alignment};
}

void attend_to(Module& module, const Tensor& memory, const Padding& padding) {
  class Visitor final : public FieldVisitor {
   public:
    void tensor(std::string_view, Tensor&) override {}
    void enter(std::string_view, Module* entered) override {
      if (auto* attention = dynamic_cast<MemoryAttention*>(entered)) found.push_back(attention);
    }
    std::vector<MemoryAttention*> found;
  } visitor;
  module.visit_fields(visitor);
  check(!visitor.found.empty(), "[attend_to] there is no Attending cell in the module");
  std::vector<MemoryAttention::Memory> memories;
  for (const MemoryAttention* attention : visitor.found) memories.push_back(attention->read(memory, padding));
  for (size_t i = 0; i < memories.size(); ++i) {
    visitor.found[i]->memory_ = std::move(memories[i]);
    visitor.found[i]->keys_ = Tensor();
  }
}

namespace detail {

void check_name(const Module& cell, const std::string& name) {
  check(!name.empty(), "[Attending] a name expected for its parameters, got none");
  for (const auto& [path, tensor] : cell.named_parameters())
    check(!path.starts_with(name + "."),
          "[Attending] the inner cell has a parameter {}: give this attention another .name than {}", path,
          name);
}

int64_t joined_width(int64_t hidden, int64_t memory, AttentionFeed feed) {
  check(memory >= 1, "[Attending] the width of the encoder's outputs must be given as .memory, got {}",
        memory);
  if (feed == AttentionFeed::none) return 0;
  return feed == AttentionFeed::context ? memory : hidden;
}

MemoryAttention make_attention(int64_t query, int64_t hidden, int64_t memory, int64_t width,
                               AttentionScore score) {
  check(width == 0 || (width > 0 && score == AttentionScore::additive),
        "[Attending] the width {} must be at least 1, and is that of the additive score alone", width);
  check(score != AttentionScore::dot || query == memory,
        "[Attending] the dot score needs queries and memory of one width, got {} and {}; the general one "
        "does not",
        query, memory);
  return MemoryAttention({query, memory, width > 0 ? width : hidden}, score);
}

Tensor make_combine_weight(int64_t hidden, int64_t memory, int64_t output) {
  return draw_weight(hidden, memory + output);
}

Tensor joined(const Tensor& x, const Tensor& more) { return cat({x, more}, -1); }

Tensor attentional(const Tensor& context, const Tensor& output, const Tensor& combine_weight) {
  return tanh(linear(joined(context, output), combine_weight));
}

}  // namespace detail
}  // namespace reel
