#include <reel/reel.h>

#include "bench/memory.h"

namespace reel::bench {

void reel_steps(const MemoryModel& model, int steps) {
  Embedding embed(model.vocabulary, model.embedding);
  LSTM lstm(model.embedding, model.hidden);
  Linear head(model.hidden, model.vocabulary);
  std::vector<Tensor> parameters = embed.parameters();
  for (const auto& more : {lstm.parameters(), head.parameters()})
    parameters.insert(parameters.end(), more.begin(), more.end());
  Adam optimizer(parameters);
  const Tensor x = randint(0, model.vocabulary, {model.length, model.batch});
  for (int i = 0; i < steps; ++i) {
    Tape tape;
    const auto [h, state] = lstm(embed(x));
    tape.backward(cross_entropy(head(h), x));
    optimizer.step();
  }
}

}  // namespace reel::bench
