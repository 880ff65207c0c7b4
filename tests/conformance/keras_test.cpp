// Keras' own expectations of its recurrent layers, its two custom cells included: masks, statefulness, directions,
// initial and returned states, through what a user of Reel would write.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layers/foreign_weights.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/conformance/conformance.h"
#include "tests/reference.h"

namespace reel {
namespace {

using nlohmann::json;

/// What a layer of Keras gives: a tensor, or a list of such values.
struct Value {
  Tensor tensor;
  std::vector<Value> items;
};

Value select_from(Value value, const json& path) {
  for (const json& step : path) {
    if (step.at(0) == "item")
      value = Value(value.items.at(step.at(1).get<size_t>()));
    else
      value.tensor = select(value.tensor, 0, step.at(1).get<int64_t>());
  }
  return value;
}

// Cells

/// h' = x W + h U, all weights 1.
struct OneStateCell : Cell {
  Tensor kernel, recurrent;
  REEL_FIELDS(kernel, recurrent)
  OneStateCell(int64_t input, int64_t hidden)
      : kernel(ones({input, hidden})), recurrent(ones({hidden, hidden})) {}
  Tensor step(const Tensor& x, const Tensor& h) const { return matmul(x, kernel) + matmul(h, recurrent); }
};

struct TwoStates {
  Tensor first, second;
  REEL_FIELDS(first, second)
};

/// Both states are made of the first one; the output is their sum.
struct TwoStatesCell : Cell {
  Tensor kernel, recurrent;
  REEL_FIELDS(kernel, recurrent)
  TwoStatesCell(int64_t input, int64_t hidden)
      : kernel(ones({input, hidden})), recurrent(ones({hidden, hidden})) {}
  std::pair<Tensor, TwoStates> step(const Tensor& x, const TwoStates& s) const {
    const Tensor next = matmul(x, kernel) + matmul(s.first, recurrent);
    return {next + next, {next, next}};
  }
};

struct StackedOptions {
  int64_t middle = 1;  ///< Width of the lower cell.
};

template <class S> struct BothStates {
  S lower, upper;
  REEL_FIELDS(lower, upper)
};

/// A cell upon another, as wide as each likes, in one step.
template <class C> struct StackedCell : Cell {
  using Options = StackedOptions;
  using S = detail::StateOf<C>;
  C lower, upper;
  REEL_FIELDS(lower, upper)
  StackedCell(int64_t input, int64_t hidden, Options options)
      : lower(input, options.middle),
        upper(options.middle, hidden),
        middle_(options.middle),
        hidden_(hidden) {}

  std::pair<Tensor, BothStates<S>> step(const Tensor& x, const BothStates<S>& state) const {
    const auto [middle, below] = output_and_state(lower.step(x, state.lower));
    const auto [output, above] = output_and_state(upper.step(middle, state.upper));
    return {output, {below, above}};
  }
  BothStates<S> initial_state(int64_t batch) const {
    return {reel::initial_state(lower, batch, middle_, DType::float32),
            reel::initial_state(upper, batch, hidden_, DType::float32)};
  }

 private:
  int64_t middle_, hidden_;
  static std::pair<Tensor, Tensor> output_and_state(const Tensor& h) { return {h, h}; }
  static std::pair<Tensor, LSTMState> output_and_state(const LSTMState& state) { return {state.h, state}; }
  static std::pair<Tensor, TwoStates> output_and_state(std::pair<Tensor, TwoStates> result) { return result; }
};

std::vector<Value> items_of(const Tensor& state) { return {Value{state, {}}}; }
std::vector<Value> items_of(const LSTMState& state) { return {{state.h, {}}, {state.c, {}}}; }
std::vector<Value> items_of(const TwoStates& state) { return {{state.first, {}}, {state.second, {}}}; }
template <class S> std::vector<Value> items_of(const BothStates<S>& state) {
  const auto one = [](std::vector<Value> values) {
    return values.size() == 1 ? values[0] : Value{{}, values};
  };
  return {one(items_of(state.lower)), one(items_of(state.upper))};
}

// Layers

struct KerasLayer {
  virtual ~KerasLayer() = default;
  virtual Value call(const Tensor& x, const std::vector<Tensor>& initial, const Tensor& mask) = 0;
  virtual void reset() {}
};

bool flag(const json& config, const char* name, bool otherwise = false) {
  return config.value(name, json(otherwise)).get<bool>();
}

RecurrentOptions options_of(const json& config) {
  return {.batch_first = true,
          .reverse = flag(config, "go_backwards"),
          .flip = flag(config, "go_backwards") && flag(config, "return_sequences"),
          .last_only = !flag(config, "return_sequences"),
          .stateful = flag(config, "stateful")};
}

/// Outputs [N, T, ...], zero where the mask [N, T] is false, with the output before in those places.
Tensor repeated(const Tensor& output, const Tensor& mask) {
  std::vector<Tensor> steps = unbind(output, 1);
  for (size_t t = 1; t < steps.size(); ++t)
    steps[t] = where(unsqueeze(select(mask, 1, static_cast<int64_t>(t)), -1), steps[t], steps[t - 1]);
  return stack(steps, 1);
}

template <class C> class RecurrentLayer final : public KerasLayer {
 public:
  RecurrentLayer(Recurrent<C> rnn, json config) : rnn_(std::move(rnn)), config_(std::move(config)) {}

  Value call(const Tensor& x, const std::vector<Tensor>& initial, const Tensor& mask) override {
    typename Recurrent<C>::State state;
    if (!initial.empty()) {
      state = rnn_.initial_state(x.size(0));
      size_t next = 0;
      detail::for_each_tensor(state, [&](Tensor& tensor) { tensor = initial.at(next++); });
      check(next == initial.size(), "{} initial states, and {} expected", initial.size(), next);
    }
    auto [output, last] = rnn_(x, state, {.mask = mask});
    if (mask.defined() && flag(config_, "return_sequences") && !flag(config_, "zero_output_for_mask"))
      output = repeated(output, mask);
    Value result{output, {}};
    if (rnn_.options().merge == Merge::none && rnn_.options().bidirectional)
      result.items = {{select(output, -2, 0), {}}, {select(output, -2, 1), {}}};
    if (!flag(config_, "return_state")) return result;
    result.items.push_back({output, {}});
    for (const auto& of_cell : last.layers)
      for (Value& value : items_of(of_cell)) result.items.push_back(std::move(value));
    return result;
  }
  void reset() override { rnn_.reset(); }

 private:
  Recurrent<C> rnn_;
  json config_;
};

struct DenseInTime final : KerasLayer {
  Linear linear;
  DenseInTime(int64_t input, const json& config)
      : linear(input, config.at("units").get<int64_t>(), {.bias = flag(config, "use_bias", true)}) {
    linear.weight.fill_(config.at("kernel_initializer").at("value").get<double>());
  }
  Value call(const Tensor& x, const std::vector<Tensor>&, const Tensor&) override { return {linear(x), {}}; }
};

/// The number that an initializer gives everywhere.
double constant(const json& config, const char* name, double otherwise) {
  if (!config.contains(name)) return otherwise;
  const json& initializer = config.at(name);
  if (initializer.is_object() && initializer.at("class") == "Constant")
    return initializer.at("value").get<double>();
  check(initializer == "ones", "{} is no constant", initializer.dump());
  return 1;
}

/// Fills the weights that `config` speaks of; `place` is the direction's, as in "forward_".
void fill(NamedTensors& weights, const std::string& place, const json& config, bool is_lstm) {
  for (auto& [name, tensor] : weights) {
    if (!name.starts_with(place)) continue;
    if (name.ends_with("recurrent_kernel")) {
      tensor.fill_(constant(config, "recurrent_initializer", 0));
    } else if (name.ends_with("kernel")) {
      tensor.fill_(constant(config, "kernel_initializer", 0));
    } else {
      tensor.fill_(constant(config, "bias_initializer", 0));
      if (is_lstm && flag(config, "unit_forget_bias", true)) {
        const int64_t units = tensor.numel() / 4;
        narrow(tensor, 0, units, units).fill_(1);
      }
    }
  }
}

template <class C> typename C::Options cell_options(const json& config) {
  typename C::Options options;
  options.bias = flag(config, "use_bias", true);
  if constexpr (std::same_as<C, GRUCell>) options.reset_after = flag(config, "reset_after", true);
  return options;
}

/// A layer of one of the classic cells, in both directions where `backward` has a configuration.
template <class C>
Recurrent<C> classic(int64_t input, const json& config, RecurrentOptions options, const json& backward = {}) {
  options.bidirectional = !backward.is_null();
  Recurrent<C> rnn(input, config.at("units").get<int64_t>(), options, cell_options<C>(config));
  NamedTensors weights = export_weights(rnn, WeightFormat::keras);
  constexpr bool is_lstm = std::same_as<C, LSTMCell>;
  fill(weights, options.bidirectional ? "bidirectional/forward_" : "", config, is_lstm);
  if (options.bidirectional) fill(weights, "bidirectional/backward_", backward, is_lstm);
  import_weights(rnn, weights, WeightFormat::keras);
  return rnn;
}

template <class C> std::unique_ptr<KerasLayer> one_direction(int64_t input, const json& config) {
  return std::make_unique<RecurrentLayer<C>>(classic<C>(input, config, options_of(config)), config);
}

template <class C> std::unique_ptr<KerasLayer> both_directions(int64_t input, const json& config) {
  static const std::map<std::string, Merge> merges = {
      {"concat", Merge::concat}, {"ave", Merge::mean}, {"sum", Merge::sum}, {"mul", Merge::mul}};
  const json& forward = config.at("layer").at("config");
  const json& backward =
      config.contains("backward_layer") ? config.at("backward_layer").at("config") : forward;
  RecurrentOptions options = options_of(forward);
  if (config.contains("merge_mode"))
    options.merge = config.at("merge_mode").is_null() ? Merge::none : merges.at(config.at("merge_mode"));
  return std::make_unique<RecurrentLayer<C>>(classic<C>(input, forward, options, backward), forward);
}

template <class C> std::unique_ptr<KerasLayer> stacked(int64_t input, const json& config) {
  const json &below = config.at("cell").at(0).at("config"), &above = config.at("cell").at(1).at("config");
  const auto middle = below.at("units").get<int64_t>();
  Recurrent<StackedCell<C>> rnn(input, above.at("units").get<int64_t>(), options_of(config),
                                {.middle = middle});
  if constexpr (std::same_as<C, LSTMCell>) {
    rnn.cells[0].lower = classic<C>(input, below, {}).cells[0];
    rnn.cells[0].upper = classic<C>(middle, above, {}).cells[0];
  }
  return std::make_unique<RecurrentLayer<StackedCell<C>>>(std::move(rnn), config);
}

template <class C> std::unique_ptr<KerasLayer> custom(int64_t input, const json& config) {
  const auto units = config.at("cell").at("config").at("units").get<int64_t>();
  return std::make_unique<RecurrentLayer<C>>(Recurrent<C>(input, units, options_of(config)), config);
}

std::unique_ptr<KerasLayer> make_layer(const json& layer, int64_t input) {
  const json& config = layer.at("config");
  const auto kind = layer.at("class").get<std::string>();
  if (kind == "SimpleRNN") return one_direction<RNNCell>(input, config);
  if (kind == "LSTM") return one_direction<LSTMCell>(input, config);
  if (kind == "GRU") return one_direction<GRUCell>(input, config);
  if (kind == "TimeDistributed") return std::make_unique<DenseInTime>(input, config.at("layer").at("config"));
  if (kind == "Bidirectional") {
    const auto inner = config.at("layer").at("class").get<std::string>();
    if (inner == "SimpleRNN") return both_directions<RNNCell>(input, config);
    if (inner == "LSTM") return both_directions<LSTMCell>(input, config);
    return both_directions<GRUCell>(input, config);
  }
  check(kind == "RNN", "no layer {}", kind);
  const json& cell = config.at("cell");
  const json& name = cell.is_array() ? cell.at(0).at("class") : cell.at("class");
  if (name == "LSTMCell") return stacked<LSTMCell>(input, config);
  if (name == "OneStateRNNCell")
    return cell.is_array() ? stacked<OneStateCell>(input, config) : custom<OneStateCell>(input, config);
  check(name == "TwoStatesRNNCell", "no cell {}", name.dump());
  return cell.is_array() ? stacked<TwoStatesCell>(input, config) : custom<TwoStatesCell>(input, config);
}

// Cases

std::vector<Tensor> initial_of(const json& call) {
  std::vector<Tensor> result;
  if (!call.contains("initial_state")) return result;
  const json& given = call.at("initial_state");
  if (!given.is_array()) return {cast(tensor_of(given), DType::float32)};
  for (const json& tensor : given) result.push_back(cast(tensor_of(tensor), DType::float32));
  return result;
}

/// Runs one case, and returns how many expectations it has looked at.
int run(const json& test) {
  std::unique_ptr<KerasLayer> layer;
  std::map<int, Value> calls;
  int expectations = 0;
  for (const json& step : test.at("steps")) {
    if (step.at("op") == "reset_state") {
      layer->reset();
    } else if (step.at("op") == "call") {
      const Tensor x = cast(tensor_of(step.at("input")), DType::float32);  // as Keras does
      if (!layer) layer = make_layer(test.at("layer"), x.size(-1));
      const Tensor mask = step.contains("mask") ? tensor_of(step.at("mask")) : Tensor();
      calls[step.at("id").get<int>()] = layer->call(x, initial_of(step), mask);
    } else {
      const Tensor got = select_from(calls.at(step.at("call").get<int>()), step.at("select")).tensor;
      const auto absolute = step.at("atol").get<double>(), relative = step.at("rtol").get<double>();
      if (step.contains("expected_same_as")) {
        const json& same = step.at("expected_same_as");
        CHECK(difference(got, select_from(calls.at(same.at("call").get<int>()), same.at("select")).tensor,
                         absolute, relative) == "");
      } else {
        CHECK(difference_in_value(got, tensor_of(step.at("expected")), absolute, relative) == "");
      }
      ++expectations;
    }
  }
  return expectations;
}

}  // namespace

TEST_CASE("Keras' expectations hold", "[conformance]") {
  const auto folder = conformance_folder();
  if (!folder) return;
  int expectations = 0;
  for (const json& test : load_cases(*folder / "keras" / "rnn_layers.json")) {
    INFO(test.at("name").get<std::string>());
    try {
      expectations += run(test);
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
  }
  CHECK(expectations == 127);
}

}  // namespace reel
