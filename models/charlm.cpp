// The command line of the character language model.
#include "models/charlm.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>

namespace {

namespace po = boost::program_options;

po::options_description describe(reel::models::CharlmOptions& o) {
  po::options_description options("charlm: trains a character language model and lets it write", 110);
  const auto add = [&options](const char* name, auto& target, const char* text) {
    options.add_options()(name, po::value(&target)->default_value(target), text);
  };
  options.add_options()("help,h", "this text");

  add("text", o.text, "text file to learn from; none: Debian's King James Bible");
  add("cell", o.cell, "rnn, lstm or gru");
  add("embedding", o.embedding, "width of the characters' vectors");
  add("hidden", o.hidden, "hidden size");
  add("layers", o.layers, "recurrent layers");
  add("dropout", o.dropout, "between layers");
  add("length", o.length, "steps that gradients reach back");
  add("batch", o.batch, "streams read side by side");
  add("lr", o.learning_rate, "learning rate at the start; falls linearly to 0");
  add("clip", o.clip, "norm that gradients are clipped to; 0: none");
  add("steps", o.steps, "training steps");
  add("seed", o.seed, "of everything random");
  add("save", o.save, "checkpoint to write at the end, or when interrupted");
  add("load", o.load, "checkpoint whose model to begin with");
  add("resume", o.resume, "checkpoint of a run to finish, with the same options");
  add("sample", o.sample, "characters to write at the end");
  add("temperature", o.temperature, "of the sampling; lower is safer");
  add("prompt", o.prompt, "what the sample begins with");
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    reel::models::CharlmOptions options;
    const po::options_description description = describe(options);
    po::positional_options_description positional;
    positional.add("text", 1);
    po::variables_map given;
    po::store(po::command_line_parser(argc, argv).options(description).positional(positional).run(), given);
    if (given.contains("help")) {
      std::cout << description;
      return 0;
    }
    po::notify(given);
    std::signal(SIGINT, [](int) { reel::models::interrupt_charlm(); });
    return reel::models::run_charlm(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "charlm: {}\n", error.what());
    return 1;
  }
}
