// check_cell: every cell of the library keeps its promises, and so do odd ones as users write them; what a wrong cell
// breaks is named.
#include "layers/check_cell.h"

#include "framework/op.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "layers/basic.h"
#include "layers/cells.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/math.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"

namespace reel {
namespace {

constexpr CheckSizes small{.input = 2, .hidden = 3};

struct MinimalGatedCell : Cell {
  Linear xf, hf, xc, hc;
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

template <class C> void keeps_its_promises(const C& cell, const CheckSizes& sizes = small) {
  const CellReport report = check_cell(cell, sizes);
  INFO(report.text());
  CHECK(report.passed());
  CHECK(report.checks.size() == 12);
}

// Odd cells, as a user would write them

struct TwoWidths {
  Tensor fast, slow;
  REEL_FIELDS(fast, slow)
};
/// A state of two tensors of different widths, and an output that is neither.
struct TwoClocksCell : Cell {
  Linear to_fast{2 + 3 + 5, 3}, to_slow{3, 5}, read{3 + 5, 4};
  REEL_FIELDS(to_fast, to_slow, read)
  TwoWidths initial_state(int64_t batch) const {
    const TensorOptions like{.dtype = read.weight.dtype()};
    return {zeros({batch, 3}, like), full({batch, 5}, 0.5, like)};
  }
  std::pair<Tensor, TwoWidths> step(const Tensor& x, const TwoWidths& s) const {
    const Tensor fast = tanh(to_fast(cat({x, s.fast, s.slow}, -1)));
    const Tensor slow = 0.9 * s.slow + 0.1 * tanh(to_slow(fast));
    return {read(cat({fast, slow}, -1)), {fast, slow}};
  }
};

struct TimedState {
  Tensor h, time;
  REEL_FIELDS(h, time)
};
/// A gate that opens and closes with the time, which is counted in the state.
struct TimedCell : Cell {
  Linear in, rec;
  Tensor frequency = full({3}, 0.7).requires_grad_();
  REEL_FIELDS(in, rec, frequency)
  TimedState initial_state(int64_t batch) const {
    const TensorOptions like{.dtype = frequency.dtype()};
    return {zeros({batch, 3}, like), zeros({batch, 1}, like)};
  }
  TimedState step(const Tensor& x, const TimedState& s) const {
    const Tensor open = sigmoid(sin(frequency * s.time));
    return {(1 - open) * s.h + open * tanh(in(x) + rec(s.h)), s.time + 1};
  }
};

struct Tanhs {
  Tensor operator()(const Tensor& x) const { return tanh(x); }
};
/// Its step is a small network.
struct NetworkCell : Cell {
  Sequential<Linear, Tanhs, Linear> net{Linear(2 + 3, 6), Tanhs(), Linear(6, 3)};
  REEL_FIELDS(net)
  Tensor step(const Tensor& x, const Tensor& h) const { return h + 0.5 * net(cat({x, h}, -1)); }
};

// Cells that draw random numbers, once for a sequence and in every step

struct MaskedCell : Cell {
  Linear in, rec;
  Tensor mask;
  REEL_FIELDS(in, rec)
  MaskedCell begin(const SequenceStart& start) const {
    MaskedCell begun = *this;
    if (is_training()) begun.mask = bernoulli({start.batch, 3}, 0.5, {.dtype = start.dtype}) * 2;
    return begun;
  }
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(in(x) + rec(mask.defined() ? h * mask : h));
  }
};

struct NoisyCell : Cell {
  Linear in, rec;
  REEL_FIELDS(in, rec)
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(in(x) + rec(is_training() ? dropout(h, 0.5) : h));
  }
};

// Wrong ones

struct MixesRows : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor next = MinimalGatedCell::step(x, h);
    return next - mean(next, {0}, true);
  }
};

struct MixesRowsInTraining : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor next = MinimalGatedCell::step(x, h);
    return is_training() ? next - mean(next, {0}, true) : next;
  }
};

struct CountsInSecret : MinimalGatedCell {
  mutable int count = 0;
  Tensor step(const Tensor& x, const Tensor& h) const {
    return MinimalGatedCell::step(x, h) * (1.0 / ++count);
  }
};

int position = 0;
struct ReadsAPosition : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    return MinimalGatedCell::step(x, h) + 0.01 * ++position;
  }
};

/// y = x^2, with the slope x.
struct WrongSquare {
  static constexpr std::string_view name = "wrong_square";
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const { detail::copy_values(square(in[0]), out); }
  Saves saves(uint32_t) const { return Saves::input(0); }
  void vjp(Backward& b) const { b.set(0, b.grad() * b.input(0)); }
};
struct WrongGradient : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    return apply(WrongSquare(), MinimalGatedCell::step(x, h));
  }
};

/// y = x^2, with a slope that is right, and wrong to be differentiated: it is a value beside the tape.
struct SquareOnce : WrongSquare {
  void vjp(Backward& b) const { b.set(0, b.grad() * detach(b.input(0)) * 2); }
};
struct WrongSecondGradient : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    return apply(SquareOnce(), MinimalGatedCell::step(x, h));
  }
};

struct EndlessSquare : WrongSquare {
  void vjp(Backward& b) const { b.set(0, b.grad() / (b.input(0) - b.input(0))); }
};
struct EndlessGradient : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    return apply(EndlessSquare(), MinimalGatedCell::step(x, h));
  }
};

/// What it does at a step depends on how long the sequence is.
struct KnowsTheLength : MinimalGatedCell {
  double share = 1;
  KnowsTheLength begin(const SequenceStart& start) const {
    KnowsTheLength begun = *this;
    begun.share = 1.0 / static_cast<double>(start.steps);
    return begun;
  }
  Tensor step(const Tensor& x, const Tensor& h) const { return MinimalGatedCell::step(x, h) * share; }
};

/// y = x^2, which says that for all steps at once it is x^2 + 1.
struct OtherOverTime {
  static constexpr std::string_view name = "other_over_time";
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const { detail::copy_values(square(in[0]), out); }
  Saves saves(uint32_t) const { return Saves::input(0); }
  void vjp(Backward& b) const { b.set(0, b.grad() * b.input(0) * 2); }
  Tensor over_time(Inputs in, uint32_t) const { return square(in[0]) + 1; }
};
struct CompiledOtherwise : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    return MinimalGatedCell::step(apply(OtherOverTime(), x), h);
  }
};

struct ForgetsAField : Cell {
  Linear in, rec;
  Tensor scale = full({3}, 0.5).requires_grad_();
  REEL_FIELDS(in, rec)
  Tensor step(const Tensor& x, const Tensor& h) const { return tanh(in(x) + scale * rec(h)); }
};

struct WritesIntoItsState : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor next = MinimalGatedCell::step(x, h);
    Tensor(h).fill_(0);
    return next;
  }
};

struct AlwaysDraws : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const { return dropout(MinimalGatedCell::step(x, h), 0.5); }
};

struct OnlyFloat32 : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    return MinimalGatedCell::step(x, h) * full({3}, 0.5);
  }
};

struct StartsInFloat32 : MinimalGatedCell {
  Tensor initial_state(int64_t batch) const { return zeros({batch, 3}); }
};

struct SharesAField : Cell {
  std::shared_ptr<Linear> in = std::make_shared<Linear>(2, 3);
  REEL_FIELDS(in)
  Tensor step(const Tensor& x, const Tensor& h) const { return tanh((*in)(x)) + 0.5 * h; }
};

struct Throws : Cell {
  REEL_FIELDS()
  Tensor step(const Tensor& x, const Tensor& h) const { return matmul(x, h); }
};

struct ThrowsInEval : MinimalGatedCell {
  Tensor step(const Tensor& x, const Tensor& h) const {
    if (!is_training()) throw 7;
    return MinimalGatedCell::step(x, h);
  }
};

struct Widens : Cell {
  REEL_FIELDS()
  Tensor step(const Tensor& x, const Tensor& h) const { return cat({x, h}, -1); }
};

/// The first check that failed: its name and its words.
template <class C> CellCheck first_fault(const C& cell) {
  const CellReport report = check_cell(cell, small);
  INFO(report.text());
  CHECK_FALSE(report.passed());
  CHECK_THAT(report.text(), contains_text("FAILED"));
  for (const CellCheck& one : report.checks)
    if (!one.passed) return one;
  return {};
}

template <class C> void caught(const C& cell, const char* name, std::initializer_list<const char*> words) {
  manual_seed(11);
  const CellCheck fault = first_fault(cell);
  CHECK(fault.name == name);
  for (const char* word : words) CHECK_THAT(fault.message, contains_text(word));
}

}  // namespace

TEST_CASE("every cell of the library passes check_cell", "[check_cell]") {
  manual_seed(1);
  // One line for each cell and each option that changes its formulas.
  keeps_its_promises(RNNCell(2, 3));
  keeps_its_promises(RNNCell(2, 3, {.nonlinearity = relu}));
  keeps_its_promises(RNNCell(2, 3, {.bias = false}));
  keeps_its_promises(LSTMCell(2, 3));
  keeps_its_promises(LSTMCell(2, 3, {.bias = false}));
  keeps_its_promises(GRUCell(2, 3));
  keeps_its_promises(GRUCell(2, 3, {.reset_after = false}));
}

TEST_CASE("cells as users write them pass check_cell", "[check_cell]") {
  manual_seed(2);
  keeps_its_promises(MinimalGatedCell());
  keeps_its_promises(TwoClocksCell());
  keeps_its_promises(TimedCell());
  keeps_its_promises(NetworkCell());
  keeps_its_promises(MaskedCell());
  keeps_its_promises(NoisyCell());
}

TEST_CASE("check_cell names what a wrong cell breaks", "[check_cell]") {
  caught(MixesRows(), "batch equals rows", {"row 0 alone gives another output", "first at step 0"});
  caught(MixesRowsInTraining(), "batch equals rows", {"row 0 alone, in training mode,", "first at step 0"});
  caught(CountsInSecret(), "runs alike twice", {"run once more", "first at step 0, row 0, column 0"});
  caught(ReadsAPosition(), "runs alike twice", {"run once more"});
  caught(WrongGradient(), "gradients", {"the gradient of x at [0, 0, 0] is ", "differences give"});
  caught(WrongSecondGradient(), "second gradients", {"the second gradient of x at [0, 0, 0] is"});
  caught(EndlessGradient(), "gradients", {"the gradient of x at [0, 0, 0] is ", "differences give"});
  caught(SharesAField(), "steps run", {"shares the field weight", "pointer"});
  caught(ForgetsAField(), "save and load",
         {"float32 [3]", "not among the fields", "neither trained nor saved"});
  caught(WritesIntoItsState(), "steps run", {"changes what it is given", "tensor 0 of the state"});
  caught(AlwaysDraws(), "train and eval", {"in eval mode still depends on random numbers"});
  caught(OnlyFloat32(), "float64", {"the cell throws", "float32", "float64"});
  caught(StartsInFloat32(), "float64", {"initial_state() gives float32 [3, 3]"});
  caught(Throws(), "steps run", {"the cell throws: [matmul]"});
  caught(ThrowsInEval(), "steps run", {"no std::exception"});
  caught(Widens(), "steps run", {"[1, 3]", "[1, 5]"});
}

TEST_CASE("check_cell goes on after a fault, as far as it can", "[check_cell]") {
  const auto faults = [](const CellReport& report) {
    std::vector<std::string> names;
    for (const CellCheck& one : report.checks)
      if (!one.passed) names.push_back(one.name);
    return names;
  };
  manual_seed(12);
  CHECK(faults(check_cell(KnowsTheLength(), small)) ==
        std::vector<std::string>{"steps equal sequence", "padding changes nothing"});
  // A row of one step is not compiled, and differs for that from what it is in the batch.
  CHECK(faults(check_cell(CompiledOtherwise(), small)) ==
        std::vector<std::string>{"steps equal sequence", "padding changes nothing", "compiled equals eager"});
  caught(KnowsTheLength(), "steps equal sequence", {"in two parts", "first at step 0"});
  CHECK(check_cell(Throws(), small).checks.size() == 1);
  CHECK(check_cell(OnlyFloat32(), small).checks.size() == 5);
}

TEST_CASE("check_cell changes nothing: neither the cell nor the random streams", "[check_cell]") {
  struct Held : Cell {
    Linear in{2, 3};
    Dropout drop{0.5};
    REEL_FIELDS(in, drop)
    Tensor step(const Tensor& x, const Tensor& h) const { return tanh(in(x)) + drop(h) * 0.5; }
  };
  Held cell;
  cell.drop.eval();
  const Tensor weight = cell.in.weight;
  const std::vector<double> before = numbers(weight);
  const uint32_t version = weight.version();
  manual_seed(5);
  const std::vector<double> draw = numbers(rand({3}));
  manual_seed(5);
  const CellReport report = check_cell(cell, small);
  INFO(report.text());
  CHECK(report.passed());
  CHECK(numbers(rand({3})) == draw);
  CHECK(cell.in.weight.impl() == weight.impl());
  CHECK(weight.dtype() == DType::float32);
  CHECK(weight.version() == version);
  CHECK(numbers(weight) == before);
  CHECK_FALSE(weight.grad().defined());
  CHECK(cell.in.is_training());
  CHECK_FALSE(cell.drop.is_training());

  const MinimalGatedCell unsized;
  CHECK(check_cell(unsized, small).passed());
  CHECK_FALSE(unsized.xf.weight.defined());

  Tape tape;
  CHECK(check_cell(unsized, small).passed());
  CHECK(tape.size() == 0);
}

TEST_CASE("check_cell refuses sizes that check nothing", "[check_cell]") {
  const RNNCell cell(2, 3);
  refused({}, {"[check_cell]", "input 0", "hidden 3"}, [&] { check_cell(cell, {.input = 0, .hidden = 3}); });
  refused({}, {"[check_cell]", "batch 1"}, [&] { check_cell(cell, {.input = 2, .hidden = 3, .batch = 1}); });
  refused({}, {"[check_cell]", "steps 1"}, [&] { check_cell(cell, {.input = 2, .hidden = 3, .steps = 1}); });
  refused({}, {"[check_cell]", "[0]"}, [&] { check_cell(cell, {.input = 2, .hidden = 3, .extents = {0}}); });
  const CountsInSecret derived;
  const MinimalGatedCell& base = derived;
  refused({}, {"[check_cell]", "derived"}, [&] { check_cell(base, small); });
}

}  // namespace reel
