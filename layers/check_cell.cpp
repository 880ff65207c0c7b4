#include "layers/check_cell.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "framework/gradcheck.h"
#include "framework/random.h"
#include "framework/recording.h"
#include "framework/tape.h"
#include "layers/check_support.h"
#include "layers/scan.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace detail {
namespace {

// Tolerances: absolute below 1, relative above.
constexpr double rounding64 = 1e-9;     // of another order of the same sums
constexpr double rounding32 = 1e-3;     // of float32 against float64, a few steps long
constexpr double differences64 = 1e-5;  // of central differences, where derivatives are of order 1
constexpr uint64_t first_seed = 20260, other_seed = 20261;

using List = std::vector<Tensor>;

/// A copy of the cell with parameters of its own.
struct Subject {
  std::shared_ptr<Cell> cell;
  StepFunction compiled, eager;
};

struct Run {
  Tensor output;
  List state;
};

struct Derivatives {
  Run values;
  List gradients, second;  // in the order of Checker::names
};

class Checker {
 public:
  Checker(const Cell& cell, const CellType& type, const CheckSizes& sizes)
      : cell_(cell), type_(type), sizes_(sizes) {}

  CellReport check_all() {
    if (!run("steps run", &Checker::steps_run)) return report_;
    run("runs alike twice", &Checker::runs_alike_twice);
    run("save and load", &Checker::save_and_load);
    run("train and eval", &Checker::train_and_eval);
    if (!run("float64", &Checker::runs_in_float64)) return report_;
    run("float32 near float64", &Checker::float32_near_float64);
    run("gradients", &Checker::gradients);
    run("second gradients", &Checker::second_gradients);
    run("steps equal sequence", &Checker::steps_equal_sequence);
    run("batch equals rows", &Checker::batch_equals_rows);
    run("padding changes nothing", &Checker::padding_changes_nothing);
    run("compiled equals eager", &Checker::compiled_equals_eager);
    return report_;
  }

 private:
  /// Runs one check; whatever it throws is what it has found.
  bool run(const char* name, void (Checker::*body)()) {
    comparison_ = {rounding64};
    remark_.clear();
    CellCheck result{};
    result.name = name;
    try {
      (this->*body)();
      result.message = remark_;
    } catch (const Finding& finding) {
      result.passed = false;
      result.message = finding.message;
    } catch (const std::exception& error) {
      result.passed = false;
      result.message = fmt::format("the cell throws: {}", error.what());
    } catch (...) {
      result.passed = false;
      result.message = "the cell throws what is no std::exception";
    }
    result.largest_error = comparison_.largest_error;
    report_.checks.push_back(std::move(result));
    return report_.checks.back().passed;
  }

  Subject subject(const Cell& from, DType dtype, bool training) const {
    Subject result{type_.copy(from), {}, {}};
    result.cell->clone_parameters();
    result.cell->to(dtype);
    result.cell->train(training);
    result.compiled = result.eager = type_.step_function(*result.cell);
    result.eager.copy = [](const void*) { return std::shared_ptr<const void>(); };
    return result;
  }
  Subject subject(DType dtype, bool training) const { return subject(*settled_.cell, dtype, training); }

  Shape shape_of_x(int64_t steps, int64_t batch) const {
    Shape shape{steps, batch, sizes_.input};
    for (int64_t extent : sizes_.extents) shape.push_back(extent);
    return shape;
  }

  static List in(DType dtype, const List& tensors) {
    List result;
    for (const Tensor& tensor : tensors)
      result.push_back(is_floating(tensor.dtype()) ? cast_values(tensor, dtype) : tensor);
    return result;
  }

  static Run scan_with(StepFunction step, const Tensor& x, List state, ScanOptions options = {},
                       uint64_t seed = first_seed) {
    manual_seed(seed);
    Run result;
    result.output = scan_steps(step, x, state, options);
    result.state = std::move(state);
    return result;
  }

  /// All results must agree; the words as in Comparison.
  void equal(const Run& got, const Run& expected, const std::string& what, const std::string& other) {
    comparison_.equal(got.output, expected.output, true, "the output " + what, other);
    for (size_t i = 0; i < got.state.size(); ++i)
      comparison_.equal(got.state[i], expected.state.at(i), false,
                        fmt::format("tensor {} of the last state {}", i, what), other);
  }

  // The checks, in float32

  /// All else works on copies, which must be no other names of the same fields.
  void check_copies() const {
    struct Visitor final : FieldVisitor {
      std::vector<std::pair<std::string, const Tensor*>> fields;
      void tensor(std::string_view name, Tensor& value) override { fields.emplace_back(name, &value); }
    } own, copied;
    const std::shared_ptr<Cell> copy = type_.copy(cell_);
    const_cast<Cell&>(cell_).visit_fields(own);  // which only looks
    copy->visit_fields(copied);
    for (const auto& [name, place] : own.fields)
      for (const auto& [copied_name, copied_place] : copied.fields)
        if (place == copied_place)
          throw Finding{
              fmt::format("a copy of the cell shares the field {} with it, by a pointer: what converts or "
                          "loads one changes "
                          "the other; hold what is behind it by value",
                          name)};
  }

  void steps_run() {
    check_copies();
    manual_seed(first_seed);
    // A cell as it comes may still have to learn its sizes.
    Subject first = subject(cell_, DType::float32, true);
    if (sizes_.extents.empty())
      settle_cell(*first.cell, first.compiled,
                  type_.initial_state(*first.cell, 1, sizes_.hidden, DType::float32), sizes_.input,
                  sizes_.hidden);
    settled_ = first;
    x_ = randn(shape_of_x(sizes_.steps, sizes_.batch));
    const Tensor before = randn(shape_of_x(1, sizes_.batch));
    for (const bool training : {true, false}) {
      const Subject tried = subject(DType::float32, training);
      const List given = type_.initial_state(*tried.cell, sizes_.batch, sizes_.hidden, DType::float32);
      // A state that steps can lead to, and that does not consist of zeros.
      states_ = scan_with(tried.eager, before, given).state;
      const NamedTensors named = tried.cell->state_dict();
      List inputs{x_};
      std::vector<std::string> whats{"x"};
      for (size_t i = 0; i < states_.size(); ++i) {
        inputs.push_back(states_[i]);
        whats.push_back(fmt::format("tensor {} of the state", i));
      }
      for (const auto& [name, tensor] : named) {
        inputs.push_back(tensor);
        whats.push_back("parameter " + name);
      }
      List values;
      for (const Tensor& tensor : inputs) values.push_back(clone(tensor));
      const Run result = scan_with(tried.eager, x_, states_);
      for (size_t i = 0; i < inputs.size(); ++i)
        comparison_.equal(inputs[i], values[i], false, "step() changes what it is given: " + whats[i], "was");
      if (result.output.dtype() != DType::float32)
        throw Finding{fmt::format("the output is {} for a float32 input", text(result.output))};
    }
  }

  void runs_alike_twice() {
    comparison_.tolerance = 0;
    for (const bool training : {true, false}) {
      const Subject tried = subject(DType::float32, training);
      const Run first = scan_with(tried.eager, x_, states_);
      equal(scan_with(tried.eager, x_, states_), first, "of the same sequence, run once more,", "was");
    }
  }

  void save_and_load() {
    const Subject saved = subject(DType::float32, true);
    {
      Tape tape;
      scan_with(saved.eager, x_, states_);
      const List known = saved.cell->parameters();
      for (const auto& leaf : current_recording()->leaves)
        if (std::none_of(known.begin(), known.end(),
                         [&](const Tensor& own) { return own.impl() == leaf.tensor.impl(); }))
          throw Finding{
              fmt::format("step() reads a parameter, {}, that is not among the fields: without its name in "
                          "REEL_FIELDS it "
                          "is neither trained nor saved",
                          text(leaf.tensor))};
    }
    const TemporaryFile file;
    save(*saved.cell, file.path());
    const Subject loaded = subject(DType::float32, true);
    for (const auto& [name, tensor] : loaded.cell->state_dict()) Tensor(tensor).fill_(0);
    load(*loaded.cell, file.path());
    comparison_.tolerance = 0;
    const auto run_of = [&](const Subject& tried) {
      manual_seed(first_seed);
      return scan_with(tried.eager, x_,
                       type_.initial_state(*tried.cell, sizes_.batch, sizes_.hidden, DType::float32));
    };
    equal(run_of(loaded), run_of(saved), "of the cell that was loaded", "of the one that was saved");
  }

  void train_and_eval() {
    const Subject tried = subject(DType::float32, false);
    comparison_.tolerance = 0;
    equal(scan_with(tried.eager, x_, states_, {}, other_seed), scan_with(tried.eager, x_, states_),
          "in eval mode still depends on random numbers: it", "with another seed");
  }

  // In float64

  void runs_in_float64() {
    x_ = cast_values(x_, DType::float64);
    states_ = in(DType::float64, states_);
    const Subject tried = subject(DType::float64, true);
    const List given = type_.initial_state(*tried.cell, sizes_.batch, sizes_.hidden, DType::float64);
    for (size_t i = 0; i < given.size(); ++i)
      if (is_floating(given[i].dtype()) && given[i].dtype() != DType::float64)
        throw Finding{fmt::format(
            "initial_state() gives {} for tensor {} of the state where the cell is float64: make it in the "
            "parameters' dtype",
            text(given[i]), i)};
    const Run result = scan_with(tried.eager, x_, states_);
    if (result.output.dtype() != DType::float64)
      throw Finding{fmt::format("the output is {} for a float64 input", text(result.output))};
    floating_.clear();
    names_ = {"x"};
    for (size_t i = 0; i < states_.size(); ++i) {
      if (!is_floating(states_[i].dtype())) continue;
      floating_.push_back(i);
      names_.push_back(fmt::format("tensor {} of the state", i));
    }
    for (const auto& [name, tensor] : unique_parameters(*tried.cell)) names_.push_back("parameter " + name);
  }

  /// Floating parameters, each once, in the order of parameters().
  static NamedTensors unique_parameters(const Cell& cell) {
    NamedTensors result;
    for (const auto& named : cell.named_parameters())
      if (is_floating(named.second.dtype()) &&
          std::none_of(result.begin(), result.end(),
                       [&](const auto& seen) { return seen.second.impl() == named.second.impl(); }))
        result.push_back(named);
    return result;
  }

  /// x, the floating tensors of the state, the parameters.
  List leaves_of(const Subject& tried, const Tensor& x, const List& states) const {
    List leaves{x};
    for (size_t i : floating_) leaves.push_back(states[i]);
    for (const auto& [name, tensor] : unique_parameters(*tried.cell)) leaves.push_back(tensor);
    return leaves;
  }

  /// The results that have gradients.
  List results_of(const Run& run) const {
    List results{run.output};
    for (size_t i : floating_) results.push_back(run.state.at(i));
    return results;
  }

  /// Lopsided weights of the results, the same at every call.
  static List seeds_like(const List& results) {
    Random random(first_seed);
    List seeds;
    for (const Tensor& result : results)
      seeds.push_back(
          cast_values(uniform(result.shape(), 0.5, 1.5, {.dtype = DType::float64}, random), result.dtype()));
    return seeds;
  }

  Derivatives derivatives(const Subject& tried, StepFunction step, const Tensor& x, const List& states,
                          ScanOptions options, bool second, List seeds = {}) const {
    Derivatives result;
    Tape tape;
    List given = states;
    const Tensor own = clone(x);  // a leaf must not be another run's
    for (size_t i : floating_) given[i] = clone(states[i]);
    const List leaves = leaves_of(tried, own, given);
    for (const Tensor& leaf : leaves) tape.watch(leaf);
    result.values = scan_with(step, own, given, options);
    const List results = results_of(result.values);
    if (seeds.empty()) seeds = seeds_like(results);
    result.gradients = tape.gradient(results, seeds, leaves, {.create_graph = second});
    if (second) result.second = tape.gradient(result.gradients, seeds_like(result.gradients), leaves);
    return result;
  }

  void float32_near_float64() {
    comparison_.tolerance = rounding32;
    const Subject wide = subject(DType::float64, true), narrow = subject(DType::float32, true);
    const Derivatives got = derivatives(narrow, narrow.eager, cast_values(x_, DType::float32),
                                        in(DType::float32, states_), {}, false);
    const Derivatives expected = derivatives(wide, wide.eager, x_, states_, {}, false);
    for (const Tensor& state : got.values.state)
      if (is_floating(state.dtype()) && state.dtype() != DType::float32)
        throw Finding{fmt::format("the state is {} for a float32 input", text(state))};
    if (draws_numbers()) {  // other dtypes draw other numbers
      remark_ = "values not compared, as the cell draws random numbers";
      return;
    }
    equal({cast_values(got.values.output, DType::float64), in(DType::float64, got.values.state)},
          expected.values, "in float32", "in float64");
    for (size_t i = 0; i < names_.size(); ++i)
      comparison_.equal(cast_values(got.gradients[i], DType::float64), expected.gradients[i], false,
                        fmt::format("the gradient of {} in float32", names_[i]), "in float64");
  }

  bool draws_numbers() const {
    const Subject tried = subject(DType::float64, true);
    manual_seed(first_seed);
    RandomJournal journal;
    List state = states_;
    scan_steps(tried.eager, x_, state, {});
    return !journal.take().empty();
  }

  /// The cell as a function of x, the state and the parameters.
  GradcheckResult by_differences(bool second) {
    const Subject tried = subject(DType::float64, true);
    // Each element costs two runs, for second gradients with a backward pass each: on a small corner.
    const int64_t steps = second ? 2 : sizes_.steps, batch = second ? 2 : sizes_.batch;
    List states;
    for (const Tensor& state : states_) states.push_back(clone(narrow(state, 0, 0, batch)));
    const Tensor x = clone(narrow(narrow(x_, 0, 0, steps), 1, 0, batch));
    List inputs;
    for (const Tensor& leaf : leaves_of(tried, x, states)) inputs.push_back(clone(leaf));
    const std::vector<size_t> places = places_of_fields(*tried.cell);
    const size_t first_parameter = 1 + floating_.size();
    const TensorFunction f = [&](const List& values) {
      size_t next = 0;
      for_each_tensor(*tried.cell, [&](Tensor& field) {
        if (!field.defined()) return;
        const size_t place = places[next++];
        if (place != npos) field = values[first_parameter + place];
      });
      List given = states;
      for (size_t i = 0; i < floating_.size(); ++i) given[floating_[i]] = values[i + 1];
      return results_of(scan_with(tried.eager, values[0], std::move(given)));
    };
    const GradcheckOptions options{.absolute = differences64, .relative = differences64};
    return second ? gradgradcheck(f, inputs, options) : gradcheck(f, inputs, options);
  }

  /// For each defined tensor among the fields, its place in unique_parameters; npos for the others.
  static std::vector<size_t> places_of_fields(Cell& cell) {
    const NamedTensors parameters = unique_parameters(cell);
    std::vector<size_t> places;
    for_each_tensor(cell, [&](Tensor& field) {
      if (!field.defined()) return;
      const auto found = std::find_if(parameters.begin(), parameters.end(),
                                      [&](const auto& named) { return named.second.impl() == field.impl(); });
      places.push_back(found == parameters.end() ? npos : static_cast<size_t>(found - parameters.begin()));
    });
    return places;
  }

  void report_gradcheck(const GradcheckResult& result, const char* what) {
    comparison_.largest_error = result.largest_error;
    if (result.passed) return;
    const std::string of =
        result.input < names_.size() ? names_[result.input] : "the gradient that comes from above";
    throw Finding{fmt::format("the {} of {} at {} is {:.6g}, differences give {:.6g}", what, of,
                              result.element.str(), result.gradient, result.by_differences)};
  }

  void gradients() { report_gradcheck(by_differences(false), "gradient"); }
  void second_gradients() { report_gradcheck(by_differences(true), "second gradient"); }

  void steps_equal_sequence() {
    for (const bool training : {true, false}) {
      const Subject tried = subject(DType::float64, training);
      const Run sequence = scan_with(tried.compiled, x_, states_);
      manual_seed(first_seed);
      StepFunction step = tried.compiled;
      std::shared_ptr<const void> begun;
      if (step.begin) {
        begun =
            step.begin(step.cell, {.steps = sizes_.steps, .batch = sizes_.batch, .dtype = DType::float64});
        step.cell = begun.get();
      }
      Run by_hand{{}, states_};
      List outputs;
      for (int64_t t = 0; t < sizes_.steps; ++t) {
        outputs.emplace_back();
        step.step(step.cell, select(x_, 0, t), by_hand.state, outputs.back());
      }
      by_hand.output = stack(outputs, 0);
      equal(sequence, by_hand, "of the sequence", "of steps by hand");
      if (training) continue;
      const Run first = scan_with(tried.compiled, narrow(x_, 0, 0, 1), states_);
      Run second = scan_with(tried.compiled, narrow(x_, 0, 1, sizes_.steps - 1), first.state);
      second.output = cat({first.output, second.output}, 0);
      equal(second, sequence, "of the sequence in two parts, the state carried over,", "in one");
    }
  }

  void batch_equals_rows() { compare_with_rows("in the batch", {}, {}); }

  void padding_changes_nothing() {
    std::vector<int64_t> lengths;  // not sorted
    for (int64_t n = 0; n < sizes_.batch; ++n) lengths.push_back(1 + (n + sizes_.steps - 2) % sizes_.steps);
    for (const bool reverse : {false, true})
      compare_with_rows(reverse ? "in the padded batch that goes backwards" : "in the padded batch", lengths,
                        {.reverse = reverse, .lengths = from_vector(lengths)});
  }

  /// The batch, where row n has lengths[n] steps (all if empty), against each row alone. `where` says which batch.
  void compare_with_rows(const std::string& where, const std::vector<int64_t>& lengths,
                         const ScanOptions& options) {
    const bool draws = draws_numbers();
    if (draws) remark_ = "in eval mode only, as the cell draws random numbers while training";
    for (const bool training : {false, true}) {
      if (training && draws) continue;
      const Subject tried = subject(DType::float64, training);
      const Derivatives batch = derivatives(tried, tried.compiled, padded(lengths), states_, options, false);
      const List seeds = seeds_like(results_of(batch.values));
      List sums;
      for (int64_t n = 0; n < sizes_.batch; ++n) {
        const int64_t length = lengths.empty() ? sizes_.steps : lengths[static_cast<size_t>(n)];
        const auto alone = [&](const Tensor& x) { return clone(narrow(narrow(x, 1, n, 1), 0, 0, length)); };
        List states, row_seeds{alone(seeds[0])};
        for (const Tensor& state : states_) states.push_back(clone(narrow(state, 0, n, 1)));
        for (size_t i = 1; i < seeds.size(); ++i) row_seeds.push_back(clone(narrow(seeds[i], 0, n, 1)));
        const Derivatives row = derivatives(tried, tried.compiled, alone(x_), states,
                                            {.reverse = options.reverse}, false, row_seeds);
        compare_row(batch, row, n, where,
                    fmt::format("row {} alone{}", n, training ? ", in training mode," : ""));
        for (size_t i = 1 + floating_.size(); i < names_.size(); ++i)
          if (n == 0)
            sums.push_back(row.gradients[i]);
          else
            sums[i - 1 - floating_.size()] = accumulate(sums[i - 1 - floating_.size()], row.gradients[i]);
      }
      for (size_t i = 0; i < sums.size(); ++i)
        comparison_.equal(
            sums[i], batch.gradients[1 + floating_.size() + i], false,
            fmt::format("the gradient of {}, summed over rows alone,", names_[1 + floating_.size() + i]),
            where);
    }
  }

  /// x_ with nans where no step counts.
  Tensor padded(const std::vector<int64_t>& lengths) const {
    if (lengths.empty()) return x_;
    Tensor x = clone(x_);
    for (size_t n = 0; n < lengths.size(); ++n)
      narrow(narrow(x, 1, static_cast<int64_t>(n), 1), 0, lengths[n], sizes_.steps - lengths[n])
          .fill_(std::numeric_limits<double>::quiet_NaN());
    return x;
  }

  void compare_row(const Derivatives& batch, const Derivatives& row, int64_t n, const std::string& where,
                   const std::string& who) {
    const int64_t length = row.values.output.shape()[0];
    const auto compare_padding = [&](const Tensor& whole, const std::string& what) {
      const Tensor after = clone(narrow(narrow(whole, 1, n, 1), 0, length, sizes_.steps - length));
      comparison_.equal(after, zeros_like(after), true, fmt::format("{} behind the end of row {}", what, n),
                        "should be");
    };
    for (int64_t t = 0; t < length; ++t)
      comparison_.equal(
          select(row.values.output, 0, t), narrow(select(batch.values.output, 0, t), 0, n, 1), false,
          fmt::format("{} gives another output than {}, first at step {}: it", who, where, t), where);
    compare_padding(batch.values.output, "the output");
    for (size_t i = 0; i < states_.size(); ++i)
      comparison_.equal(row.values.state[i], narrow(batch.values.state[i], 0, n, 1), false,
                        fmt::format("{} ends in another state than {}: tensor {}", who, where, i), where);
    comparison_.equal(row.gradients[0], narrow(narrow(batch.gradients[0], 1, n, 1), 0, 0, length), false,
                      fmt::format("{} has another gradient of x than {}: it", who, where), where);
    compare_padding(batch.gradients[0], "the gradient of x");
    for (size_t i = 1; i <= floating_.size(); ++i)
      comparison_.equal(row.gradients[i], narrow(batch.gradients[i], 0, n, 1), false,
                        fmt::format("{} has another gradient of {} than {}: it", who, names_[i], where),
                        where);
  }

  void compiled_equals_eager() {
    for (const bool training : {true, false}) {
      const Subject tried = subject(DType::float64, training);
      for (const bool reverse : {false, true}) {
        const ScanOptions options{.reverse = reverse};
        const Derivatives compiled = derivatives(tried, tried.compiled, x_, states_, options, true);
        const Derivatives eager = derivatives(tried, tried.eager, x_, states_, options, true);
        equal(compiled.values, eager.values, "of the compiled loop", "step by step");
        for (size_t i = 0; i < names_.size(); ++i)
          comparison_.equal(compiled.gradients[i], eager.gradients[i], false,
                            fmt::format("the gradient of {} by the compiled loop", names_[i]),
                            "step by step");
        for (size_t i = 0; i < names_.size(); ++i)
          comparison_.equal(compiled.second[i], eager.second[i], false,
                            fmt::format("the second gradient of {} by the compiled loop", names_[i]),
                            "step by step");
      }
      if (!training) continue;
      const std::string plan = explain_steps(tried.compiled, x_, states_);
      constexpr std::string_view eager_only = "step by step: ";
      if (plan.starts_with(eager_only))
        remark_ = "there is no compiled loop: " +
                  plan.substr(eager_only.size(), plan.size() - eager_only.size() - 1);
    }
  }

  static constexpr size_t npos = static_cast<size_t>(-1);

  const Cell& cell_;
  const CellType& type_;
  const CheckSizes& sizes_;
  CellReport report_;
  Comparison comparison_{rounding64};
  std::string remark_;
  Subject settled_;
  Tensor x_;
  List states_;
  std::vector<size_t> floating_;    // which tensors of the state have gradients
  std::vector<std::string> names_;  // of what gradients are taken of
};

}  // namespace

CellReport check_cell(const Cell& cell, const CellType& type, const CheckSizes& sizes) {
  check(sizes.input >= 1 && sizes.hidden >= 1,
        "[check_cell] expected sizes of at least 1, got input {} and hidden {}", sizes.input, sizes.hidden);
  check(sizes.batch >= 2 && sizes.steps >= 2,
        "[check_cell] expected a batch of at least 2 and at least 2 steps, got batch {} and steps {}",
        sizes.batch, sizes.steps);
  check(std::all_of(sizes.extents.begin(), sizes.extents.end(), [](int64_t extent) { return extent >= 1; }),
        "[check_cell] expected extents of at least 1, got {}", sizes.extents);
  const SameRandom afterwards;
  const NoTape to_tapes_around;
  return Checker(cell, type, sizes).check_all();
}

}  // namespace detail

bool CellReport::passed() const {
  return std::all_of(checks.begin(), checks.end(), [](const CellCheck& one) { return one.passed; });
}

std::string CellReport::text() const {
  std::string result;
  for (const CellCheck& one : checks) {
    result += fmt::format("{:<6}  {}", one.passed ? "ok" : "FAILED", one.name);
    if (one.largest_error > 0) result += fmt::format(", largest error {:.1e}", one.largest_error);
    result += (one.message.empty() ? "" : ": " + one.message) + "\n";
  }
  return result;
}

}  // namespace reel
