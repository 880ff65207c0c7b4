// Each cell's step is its equations, written out without tensors.
#include "layers/cells.h"
#include "ops/activation.h"
#include "tests/layers/cells/plain.h"

namespace reel {
namespace {

using plain::affine;
using plain::follows;
using plain::part;
using plain::Row;
using plain::Rows;
using plain::sigm;
using plain::within;

constexpr int64_t I = 3, H = 4;
constexpr size_t h_size = 4;

template <class C> Row sums(const C& cell, const Row& x, const Row& h) {
  return affine(cell.weight_ih, x, cell.bias_ih) + affine(cell.weight_hh, h, cell.bias_hh);
}

/// 0.2 x + 0.5 within [0, 1].
Row hard_sigm(const Row& x) {
  return x.apply([](double v) { return std::fmin(std::fmax(0.2 * v + 0.5, 0), 1); });
}

/// w c, by element or as a matrix, or 0.
Row seen(const Tensor& w, const Row& c) {
  if (!w.defined()) return Row(0.0, c.size());
  return w.rank() == 1 ? Row(plain::row(w) * c) : affine(w, c);
}

}  // namespace

TEST_CASE("Elman cells follow their equations", "[cells]") {
  manual_seed(21);
  const auto clipped = [](const RNNCell& cell, const Row& x, const Rows& s) {
    const Row h = hard_sigm(within(sums(cell, x, s[0]), 0.3));
    return Rows{h, h};
  };
  follows(RNNCell(I, H, {.nonlinearity = activation("HardSigmoid"), .clip = 0.3}), I, H, clipped);
  const auto one_bias = [](const RNNCell& cell, const Row& x, const Rows& s) {
    CHECK_FALSE(cell.bias_hh.defined());
    const Row h = plain::tanh(affine(cell.weight_ih, x, cell.bias_ih) + affine(cell.weight_hh, s[0]));
    return Rows{h, h};
  };
  follows(RNNCell(I, H, {.recurrent_bias = false}), I, H, one_bias);
}

TEST_CASE("Jordan cells follow their equations", "[cells]") {
  manual_seed(22);
  const auto equations = [](const JordanCell& cell, const Row& x, const Rows& s) {
    const Row y = sigm(affine(cell.weight_ho, plain::tanh(sums(cell, x, s[0])), cell.bias_ho));
    return Rows{y, y + cell.options().decay * s[0]};
  };
  follows(JordanCell(I, H), I, H, equations);
  follows(JordanCell(I, H, {.output_size = 2, .decay = 0.6}), I, H, equations);
  follows(JordanCell(I, H, {.output_size = 5, .bias = false}), I, H, equations);
}

TEST_CASE("an LSTM's activations are chosen gate by gate, and its sums clipped", "[cells]") {
  manual_seed(23);
  const LSTMCell cell(
      I, H, {.gate = activation("HardSigmoid"), .candidate = softsign, .output = relu, .clip = 0.4});
  follows(cell, I, H, [](const LSTMCell& cell_, const Row& x, const Rows& s) {
    const Row all = within(sums(cell_, x, s[0]), 0.4), g = part(all, 2, h_size);
    const Row c =
        hard_sigm(part(all, 1, h_size)) * s[1] + hard_sigm(part(all, 0, h_size)) * (g / (1.0 + std::abs(g)));
    return Rows{hard_sigm(part(all, 3, h_size)) * plain::relu(c),
                hard_sigm(part(all, 3, h_size)) * plain::relu(c), c};
  });
}

TEST_CASE("peephole LSTMs follow their equations", "[cells]") {
  manual_seed(24);
  const auto equations = [](const PeepholeLSTMCell& cell, const Row& x, const Rows& s) {
    const auto& o = cell.options();
    const auto gate = [&](const Row& sum) { return sigm(within(sum, o.clip)); };
    const Row all = sums(cell, x, s[0]);
    const Row i = gate(part(all, 0, h_size) + seen(cell.weight_ci, s[1]));
    const Row f = gate(part(all, 1, h_size) + seen(cell.weight_cf, s[1]));
    const Row g = plain::tanh(within(part(all, 2, h_size), o.clip));
    const Row c = within(f * s[1] + i * g, o.carry_clip);
    const Row out =
        gate(part(all, 3, h_size) + seen(cell.weight_co, o.output_sees == Carry::next ? c : s[1]));
    const Row h = out * plain::tanh(c);
    return Rows{h, h, c};
  };
  follows(PeepholeLSTMCell(I, H), I, H, equations);
  follows(PeepholeLSTMCell(I, H, {.output_sees = Carry::previous}), I, H, equations);
  follows(PeepholeLSTMCell(I, H, {.peepholes = Peepholes::full, .clip = 0.3}), I, H, equations);
  follows(PeepholeLSTMCell(I, H, {.peepholes = Peepholes::full, .output_sees = Carry::previous}), I, H,
          equations);
  follows(PeepholeLSTMCell(I, H, {.peepholes = Peepholes::none, .bias = false, .carry_clip = 0.2}), I, H,
          equations);
}

TEST_CASE("coupled LSTMs follow their equations", "[cells]") {
  manual_seed(25);
  const auto equations = [](const CoupledLSTMCell& cell, const Row& x, const Rows& s) {
    const auto& o = cell.options();
    const auto gate = [&](const Row& sum) { return sigm(within(sum, o.clip)); };
    const Row all = sums(cell, x, s[0]);
    const Row i = gate(part(all, 0, h_size) + seen(cell.weight_ci, s[1]));
    const Row c = within(s[1] + i * (plain::tanh(within(part(all, 1, h_size), o.clip)) - s[1]), o.carry_clip);
    const Row out =
        gate(part(all, 2, h_size) + seen(cell.weight_co, o.output_sees == Carry::next ? c : s[1]));
    const Row h = out * plain::tanh(c);
    return Rows{h, h, c};
  };
  follows(CoupledLSTMCell(I, H), I, H, equations);
  follows(CoupledLSTMCell(I, H, {.peepholes = Peepholes::diagonal, .clip = 0.3, .carry_clip = 0.2}), I, H,
          equations);
  follows(CoupledLSTMCell(I, H, {.peepholes = Peepholes::full, .output_sees = Carry::previous}), I, H,
          equations);
}

TEST_CASE("GRUs follow their equations, with the reset before and after, one bias and two", "[cells]") {
  manual_seed(26);
  const auto equations = [](const GRUCell& cell, const Row& x, const Rows& s) {
    const auto& o = cell.options();
    const auto gate = [&](const Row& sum) { return hard_sigm(within(sum, o.clip)); };
    const Row xs = affine(cell.weight_ih, x, cell.bias_ih), hs = affine(cell.weight_hh, s[0], cell.bias_hh);
    const Row r = gate(part(xs, 0, h_size) + part(hs, 0, h_size));
    const Row z = gate(part(xs, 1, h_size) + part(hs, 1, h_size));
    const Row of_reset = part(affine(cell.weight_hh, r * s[0], cell.bias_hh), 2, h_size);
    const Row n = plain::relu(
        within(part(xs, 2, h_size) + (o.reset_after ? Row(r * part(hs, 2, h_size)) : of_reset), o.clip));
    const Row h = (1.0 - z) * n + z * s[0];
    return Rows{h, h};
  };
  for (const bool reset_after : {true, false})
    for (const bool recurrent_bias : {true, false})
      follows(GRUCell(I, H,
                      {.recurrent_bias = recurrent_bias,
                       .reset_after = reset_after,
                       .gate = activation("hard_sigmoid"),
                       .candidate = relu,
                       .clip = 0.5}),
              I, H, equations);
}

TEST_CASE("minimal gated units follow their equations", "[cells]") {
  manual_seed(27);
  const auto equations = [](const MGUCell& cell, const Row& x, const Rows& s) {
    const Row xs = affine(cell.weight_ih, x, cell.bias_ih), hs = affine(cell.weight_hh, s[0], cell.bias_hh);
    const Row f = sigm(part(xs, 0, h_size) + part(hs, 0, h_size));
    const Row of_gated = part(affine(cell.weight_hh, f * s[0], cell.bias_hh), 1, h_size);
    const Row n = plain::tanh(part(xs, 1, h_size) +
                              (cell.options().reset_after ? Row(f * part(hs, 1, h_size)) : of_gated));
    const Row h = (1.0 - f) * s[0] + f * n;
    return Rows{h, h};
  };
  follows(MGUCell(I, H), I, H, equations);
  follows(MGUCell(I, H, {.recurrent_bias = false, .reset_after = true}), I, H, equations);
  follows(MGUCell(I, H, {.bias = false}), I, H, equations);
}

TEST_CASE("recurrent highway cells follow their equations", "[cells]") {
  manual_seed(28);
  const auto equations = [](const RHNCell& cell, const Row& x, const Rows& s) {
    Row h = s[0];
    for (size_t layer = 0; layer < cell.weight_hh.size(); ++layer) {
      Row all = affine(cell.weight_hh[layer], h, cell.bias_hh[layer]);
      if (layer == 0) all += affine(cell.weight_ih, x);
      const Row t = sigm(part(all, 1, h_size));
      h = plain::tanh(part(all, 0, h_size)) * t + h * (1.0 - t);
    }
    return Rows{h, h};
  };
  follows(RHNCell(I, H), I, H, equations);
  follows(RHNCell(I, H, {.depth = 1, .bias = false}), I, H, equations);
  follows(RHNCell(I, H, {.depth = 4, .transform_bias = 0}), I, H, equations);
}

TEST_CASE("independently recurrent cells follow their equation", "[cells]") {
  manual_seed(29);
  follows(IndRNNCell(I, H), I, H, [](const IndRNNCell& cell, const Row& x, const Rows& s) {
    const Row h = plain::relu(affine(cell.weight_ih, x, cell.bias_ih) + plain::row(cell.weight_hh) * s[0]);
    return Rows{h, h};
  });
}

TEST_CASE("simple recurrent units follow their equations, with and without a product for the input",
          "[cells]") {
  manual_seed(30);
  const auto equations = [](const SRUCell& cell, const Row& x, const Rows& s) {
    const Row all = affine(cell.weight_ih, x);
    const Row f = sigm(part(all, 1, h_size) + plain::row(cell.weight_cf) * s[0] + plain::row(cell.bias_f));
    const Row r = sigm(part(all, 2, h_size) + plain::row(cell.weight_cr) * s[0] + plain::row(cell.bias_r));
    const Row c = f * s[0] + (1.0 - f) * part(all, 0, h_size);
    const Row h = r * c + (1.0 - r) * (x.size() == h_size ? x : part(all, 3, h_size));
    return Rows{h, c};
  };
  follows(SRUCell(I, H), I, H, equations);
  follows(SRUCell(H, H), H, H, equations);
}

TEST_CASE("quasi-recurrent cells follow their equations, in every pooling", "[cells]") {
  manual_seed(31);
  const auto equations = [](const QRNNCell& cell, const Row& x, const Rows& s) {
    const Pooling pooling = cell.options().pooling;
    const Row all = affine(cell.weight_ih, x, cell.bias_ih) + affine(cell.weight_past, s[1]);
    const Row f = sigm(part(all, 1, h_size));
    const Row i = pooling == Pooling::ifo ? sigm(part(all, 3, h_size)) : Row(1.0 - f);
    const Row c = f * s[0] + i * plain::tanh(part(all, 0, h_size));
    const Row h = pooling == Pooling::f ? c : Row(sigm(part(all, 2, h_size)) * c);
    const Row before = plain::joined(x, s[1]);
    return Rows{h, c, before[std::slice(0, s[1].size(), 1)]};
  };
  for (const Pooling pooling : {Pooling::f, Pooling::fo, Pooling::ifo})
    for (const int64_t window : {2, 4})
      follows(QRNNCell(I, H, {.window = window, .pooling = pooling}), I, H, equations);
}

}  // namespace reel
