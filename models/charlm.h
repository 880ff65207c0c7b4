// A character language model: embedding, recurrent layers, and a linear layer to the next character's logits.
#pragma once

#include <cstdint>
#include <string>

namespace reel::models {

struct CharlmOptions {
  std::string text;           ///< Path of a text file; empty for the King James Bible.
  std::string cell = "lstm";  ///< rnn, lstm or gru.
  int64_t embedding = 64;
  int64_t hidden = 256;
  int64_t layers = 1;
  double dropout = 0;           ///< Between layers.
  int64_t length = 64;          ///< Steps that gradients reach back.
  int64_t batch = 64;           ///< Streams read side by side.
  double learning_rate = 4e-3;  ///< At the start; falls linearly to zero.
  double clip = 1;              ///< Norm that gradients are clipped to; 0 for none.
  int64_t steps = 3200;
  uint64_t seed = 1;
  std::string save;      ///< Checkpoint to write: at the end, and when interrupted.
  std::string load;      ///< Checkpoint whose model is taken to go on from.
  std::string resume;    ///< Checkpoint of a run that is to be finished.
  int64_t sample = 500;  ///< Characters to write at the end.
  double temperature = 0.7;
  std::string prompt = "And ";
};

/// Trains, validates on the last 5 % of the text, and prints a sample. Returns the exit status. Throws
/// reel::Error.
int run_charlm(const CharlmOptions& options);

/// From a signal handler: makes run_charlm end after the current step, saving where that was asked for.
void interrupt_charlm();

}  // namespace reel::models
