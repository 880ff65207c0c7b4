// libtorch's side of bench_cells; C++17, which is what its headers are written for. Its products run on the system's BLAS:
// only with a fast one (libopenblas0 in Debian) does the comparison say anything.
#include <torch/torch.h>

#include <vector>

#include "bench/cells.h"

namespace reel::bench {
namespace {

using List = std::vector<torch::Tensor>;

/// Forward along the sequence by `step(cell, x, state)`, which changes the state and gives h, and backward.
template <class Cell, class F> std::function<void()> step_of(Cell cell, CellShape s, size_t states, F step) {
  torch::Tensor x = torch::randn({s.T, s.N, s.I}).requires_grad_();
  return [cell, x, s, states, step]() mutable {
    cell->zero_grad();
    x.mutable_grad().reset();
    List state(states, torch::zeros({s.N, s.H})), outputs;
    for (const torch::Tensor& row : x.unbind(0)) outputs.push_back(step(*cell, row, state));
    const torch::Tensor y = torch::stack(outputs);
    y.backward(torch::ones_like(y));
  };
}

/// `count` layers on x and as many on h.
struct LinearsImpl : torch::nn::Module {
  std::vector<torch::nn::Linear> x, h;
  LinearsImpl(CellShape s, int count) {
    for (int i = 0; i < count; ++i) {
      x.push_back(register_module("x" + std::to_string(i), torch::nn::Linear(s.I, s.H)));
      h.push_back(register_module("h" + std::to_string(i), torch::nn::Linear(s.H, s.H)));
    }
  }
};
TORCH_MODULE(Linears);

}  // namespace

CellCalls torch_cells(CellShape s) {
  CellCalls calls;
  torch::nn::LSTM lstm(s.I, s.H);
  torch::Tensor input = torch::randn({s.T, s.N, s.I}).requires_grad_();
  calls.lstm = [lstm, input]() mutable {
    lstm->zero_grad();
    input.mutable_grad().reset();
    const torch::Tensor y = std::get<0>(lstm->forward(input));
    y.backward(torch::ones_like(y));
  };
  calls.minimal = step_of(Linears(s, 2), s, 1, [](LinearsImpl& c, const torch::Tensor& x, List& state) {
    const torch::Tensor h = state[0];
    const torch::Tensor f = torch::sigmoid(c.x[0](x) + c.h[0](h));
    return state[0] = (1 - f) * h + f * torch::tanh(c.x[1](x) + c.h[1](f * h));
  });
  calls.eight = step_of(Linears(s, 4), s, 2, [](LinearsImpl& c, const torch::Tensor& x, List& state) {
    const torch::Tensor h = state[0];
    const torch::Tensor i = torch::sigmoid(c.x[0](x) + c.h[0](h));
    const torch::Tensor f = torch::sigmoid(c.x[1](x) + c.h[1](h));
    const torch::Tensor g = torch::tanh(c.x[2](x) + c.h[2](h));
    const torch::Tensor o = torch::sigmoid(c.x[3](x) + c.h[3](h));
    state[1] = f * state[1] + i * g;
    return state[0] = o * torch::tanh(state[1]);
  });
  return calls;
}

}  // namespace reel::bench
