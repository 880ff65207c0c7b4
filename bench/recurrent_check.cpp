#include "bench/recurrent_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace reel::bench {
namespace {

using Values = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Problem {
  PeerCell cell;
  RecurrentShape shape;
  Values x, wx, wh, b, p;  // as OnednnRecurrent lays them out

  double peephole(int64_t gate, int64_t j) const { return p[static_cast<size_t>(gate * shape.H + j)]; }

  double weight(const Values& w, int64_t row, int64_t gate, int64_t j) const {
    return w[static_cast<size_t>((row * gates(cell) + gate) * shape.H + j)];
  }

  double bias(int64_t gate, int64_t j) const { return b[static_cast<size_t>(gate * shape.H + j)]; }

  double input_product(int64_t row, int64_t gate, int64_t j) const {
    double sum = 0;
    for (int64_t i = 0; i < shape.I; ++i)
      sum += x[static_cast<size_t>(row * shape.I + i)] * weight(wx, i, gate, j);
    return sum;
  }

  double recurrent_product(const Values& h, int64_t gate, int64_t j) const {
    double sum = 0;
    for (int64_t k = 0; k < shape.H; ++k) sum += h[static_cast<size_t>(k)] * weight(wh, k, gate, j);
    return sum;
  }

  // h and c of one sequence, one step on; `row` is the step's row of x.
  void step(int64_t row, Values& h, Values& c) const {
    const auto sum = [&](int64_t gate, int64_t j) {
      return input_product(row, gate, j) + recurrent_product(h, gate, j) + bias(gate, j);
    };
    Values reset_h = h, next = h;
    for (int64_t j = 0; j < shape.H && cell == PeerCell::gru; ++j)
      reset_h[static_cast<size_t>(j)] *= sigmoid(sum(1, j));
    for (int64_t j = 0; j < shape.H; ++j) {
      const auto at = static_cast<size_t>(j);
      const auto blend = [&](double candidate) {
        const double u = sigmoid(sum(0, j));
        return u * h[at] + (1 - u) * std::tanh(candidate);
      };
      switch (cell) {
        case PeerCell::lstm:
          c[at] = sigmoid(sum(1, j)) * c[at] + sigmoid(sum(0, j)) * std::tanh(sum(2, j));
          next[at] = sigmoid(sum(3, j)) * std::tanh(c[at]);
          break;
        case PeerCell::peephole_lstm: {
          const double old = c[at];
          c[at] = sigmoid(sum(1, j) + peephole(1, j) * old) * old +
                  sigmoid(sum(0, j) + peephole(0, j) * old) * std::tanh(sum(2, j));
          next[at] = sigmoid(sum(3, j) + peephole(2, j) * c[at]) * std::tanh(c[at]);
          break;
        }
        case PeerCell::gru:
          next[at] = blend(input_product(row, 2, j) + bias(2, j) + recurrent_product(reset_h, 2, j));
          break;
        case PeerCell::lbr_gru:
          next[at] = blend(input_product(row, 2, j) + bias(2, j) +
                           sigmoid(sum(1, j)) * (recurrent_product(h, 2, j) + bias(3, j)));
          break;
        case PeerCell::rnn:
          next[at] = std::tanh(sum(0, j));
          break;
      }
    }
    h = next;
  }

  Values output() const {
    Values y(static_cast<size_t>(shape.T * shape.N * shape.H));
    for (int64_t n = 0; n < shape.N; ++n) {
      Values h(static_cast<size_t>(shape.H)), c = h;
      for (int64_t t = 0; t < shape.T; ++t) {
        const int64_t row = t * shape.N + n;
        step(row, h, c);
        std::copy(h.begin(), h.end(), y.begin() + row * shape.H);
      }
    }
    return y;
  }
};

// The gradient of sum(dy * problem.output()) in one of the problem's arrays, by central differences.
Values gradient(Problem problem, Values Problem::*array, const Values& dy) {
  constexpr double epsilon = 1e-5;
  const auto loss = [&] {
    const Values y = problem.output();
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  };
  Values result;
  for (double& v : problem.*array) {
    const double old = std::exchange(v, v + epsilon);
    const double above = loss();
    v = old - epsilon;
    result.push_back((above - loss()) / (2 * epsilon));
    v = old;
  }
  return result;
}

void expect_close(std::string_view cell, std::string_view what, std::span<const float> got,
                  const Values& wanted) {
  constexpr double tolerance = 1e-4;  // float32 sums of a few dozen terms of size 1
  if (got.size() != wanted.size())
    throw std::runtime_error(
        fmt::format("oneDNN's {}: {} {} values, expected {}", cell, what, got.size(), wanted.size()));
  for (size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - wanted[i]);
    if (!(difference <= tolerance))
      throw std::runtime_error(
          fmt::format("oneDNN's {} disagrees with the reference loop: {}[{}] is {}, expected {}", cell, what,
                      i, got[i], wanted[i]));
  }
}

Values to_double(std::span<const float> values) { return {values.begin(), values.end()}; }

}  // namespace

void check_peer(PeerCell cell) {
  const RecurrentShape shape{4, 3, 5, 7};
  OnednnRecurrent peer(cell, shape);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.7F);
  for (std::span<float> values : {peer.input(), peer.input_weights(), peer.recurrent_weights(), peer.bias(),
                                  peer.peepholes(), peer.output_gradient()}) {
    for (float& value : values) value = normal(random);
  }
  // Twice: what the first step left behind must not add to the second's gradients.
  for (int i = 0; i < 2; ++i) {
    peer.forward();
    peer.backward();
  }
  const Problem problem{cell,
                        shape,
                        to_double(peer.input()),
                        to_double(peer.input_weights()),
                        to_double(peer.recurrent_weights()),
                        to_double(peer.bias()),
                        to_double(peer.peepholes())};
  const Values dy = to_double(peer.output_gradient());
  expect_close(name(cell), "output", peer.output(), problem.output());
  expect_close(name(cell), "input gradient", peer.input_gradient(), gradient(problem, &Problem::x, dy));
  expect_close(name(cell), "input weights' gradient", peer.input_weights_gradient(),
               gradient(problem, &Problem::wx, dy));
  expect_close(name(cell), "recurrent weights' gradient", peer.recurrent_weights_gradient(),
               gradient(problem, &Problem::wh, dy));
  expect_close(name(cell), "bias gradient", peer.bias_gradient(), gradient(problem, &Problem::b, dy));
  expect_close(name(cell), "peepholes' gradient", peer.peepholes_gradient(),
               gradient(problem, &Problem::p, dy));
}

}  // namespace reel::bench
