// The program of train_reel.cpp, line by line, for libtorch's C++ interface.
#include <torch/torch.h>

#include <cstdio>
#include <tuple>
#include <utility>
#include <vector>

struct CharLMImpl : torch::nn::Module {
  torch::nn::Embedding embed;
  torch::nn::LSTM lstm;
  torch::nn::Linear head;
  CharLMImpl(int64_t vocab, int64_t hidden)
      : embed(vocab, 128),
        lstm(torch::nn::LSTMOptions(128, hidden).num_layers(2).dropout(0.2)),
        head(hidden, vocab) {
    register_module("embed", embed);
    register_module("lstm", lstm);
    register_module("head", head);
  }
};
TORCH_MODULE(CharLM);

// Batches of a text that counts up, [T, N], and the same one character on.
std::vector<std::pair<torch::Tensor, torch::Tensor>> make_batches(int64_t vocab, int64_t T, int64_t N,
                                                                  int64_t count) {
  std::vector<std::pair<torch::Tensor, torch::Tensor>> batches;
  for (int64_t b = 0; b < count; ++b) {
    std::vector<int64_t> x, y;
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t n = 0; n < N; ++n) {
        x.push_back((b * T + t + n) % vocab);
        y.push_back((b * T + t + n + 1) % vocab);
      }
    }
    batches.emplace_back(torch::tensor(x).reshape({T, N}), torch::tensor(y).reshape({T, N}));
  }
  return batches;
}

int main() {
  constexpr int64_t vocab = 64;
  CharLM net(vocab, 128);
  torch::optim::Adam optimizer(net->parameters(), torch::optim::AdamOptions(2e-3));
  torch::optional<std::tuple<torch::Tensor, torch::Tensor>> previous;
  for (auto& [x, y] : make_batches(vocab, 32, 16, 20)) {
    auto [h, state] = net->lstm(net->embed(x), previous);
    torch::Tensor loss =
        torch::nn::functional::cross_entropy(net->head(h).reshape({-1, vocab}), y.reshape({-1}));
    optimizer.zero_grad();
    loss.backward();
    torch::nn::utils::clip_grad_norm_(net->parameters(), 1.0);
    optimizer.step();
    previous = std::make_tuple(std::get<0>(state).detach(), std::get<1>(state).detach());
    std::printf("%.4f\n", loss.item<double>());
  }
}
