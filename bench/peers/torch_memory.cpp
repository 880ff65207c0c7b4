// libtorch's side of bench_memory; C++17, which is what its headers are written for.
#include <torch/torch.h>

#include "bench/memory.h"

namespace reel::bench {

void torch_steps(const MemoryModel& model, int steps) {
  torch::nn::Embedding embed(model.vocabulary, model.embedding);
  torch::nn::LSTM lstm(model.embedding, model.hidden);
  torch::nn::Linear head(model.hidden, model.vocabulary);
  std::vector<torch::Tensor> parameters = embed->parameters();
  for (const auto& more : {lstm->parameters(), head->parameters()})
    parameters.insert(parameters.end(), more.begin(), more.end());
  torch::optim::Adam optimizer(parameters);
  const torch::Tensor x = torch::randint(model.vocabulary, {model.length, model.batch}, torch::kLong);
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    const torch::Tensor h = std::get<0>(lstm(embed(x)));
    torch::nn::functional::cross_entropy(head(h).reshape({-1, model.vocabulary}), x.reshape({-1})).backward();
    optimizer.step();
  }
}

}  // namespace reel::bench
