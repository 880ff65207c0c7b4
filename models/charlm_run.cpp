#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <numbers>

#include "models/charlm.h"
#include "models/data/sequences.h"
#include "models/text.h"
#include "models/training/progress.h"

namespace reel::models {
namespace {

volatile std::sig_atomic_t interrupted = 0;

constexpr double validation_share = 0.05;
constexpr int64_t reports = 20;  // plain lines in a run

template <class Layer> struct CharLM : Module {
  Embedding embed;
  Layer recurrent;
  Linear head;
  CharLM(int64_t vocabulary, const CharlmOptions& o)
      : embed(vocabulary, o.embedding),
        recurrent(o.embedding, o.hidden, {.layers = o.layers, .dropout = o.dropout}),
        head(o.hidden, vocabulary) {}
  REEL_FIELDS(embed, recurrent, head)

  using State = typename Layer::State;
  std::pair<Tensor, State> operator()(const Tensor& codes, const State& state) const {
    auto [output, next] = recurrent(embed(codes), state);
    return {head(output), next};
  }
};

/// The numbers that a checkpoint must share with the run that takes it up.
std::map<std::string, std::string> identity(const CharlmOptions& o, const Vocabulary& vocabulary) {
  std::string symbols;  // as numbers: metadata is text, and the vocabulary is bytes
  for (char symbol : vocabulary.symbols())
    symbols += fmt::format("{} ", static_cast<int>(static_cast<unsigned char>(symbol)));
  return {{"cell", o.cell},
          {"embedding", std::to_string(o.embedding)},
          {"hidden", std::to_string(o.hidden)},
          {"layers", std::to_string(o.layers)},
          {"vocabulary", symbols}};
}

/// What else must agree for a resumed run to be the same run.
std::map<std::string, std::string> schedule(const CharlmOptions& o) {
  return {{"length", std::to_string(o.length)}, {"batch", std::to_string(o.batch)},
          {"steps", std::to_string(o.steps)},   {"learning_rate", fmt::format("{}", o.learning_rate)},
          {"clip", fmt::format("{}", o.clip)},  {"dropout", fmt::format("{}", o.dropout)},
          {"seed", std::to_string(o.seed)}};
}

void check_agrees(const SafetensorsFile& file, const std::map<std::string, std::string>& wanted) {
  for (const auto& [key, value] : wanted) {
    const auto found = file.metadata.find(key);
    check<FileError>(found != file.metadata.end(), "{}: is no checkpoint of charlm: {} is missing",
                     file.path.string(), key);
    check<FileError>(found->second == value, "{}: was made with another {}: {}, here {}", file.path.string(),
                     key, found->second, value);
  }
}

int64_t metadata_number(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  check<FileError>(found != file.metadata.end(), "{}: holds no run to resume: {} is missing",
                   file.path.string(), key);
  try {
    return std::stoll(found->second);
  } catch (const std::logic_error&) {
    throw FileError(fmt::format("{}: {} is no number: {}", file.path.string(), key, found->second));
  }
}

/// The tensors of `all` whose names begin with `prefix`, without it.
NamedTensors part(const NamedTensors& all, const std::string& prefix) {
  NamedTensors result;
  for (const auto& [name, tensor] : all)
    if (name.starts_with(prefix)) result.emplace_back(name.substr(prefix.size()), tensor);
  return result;
}

template <class Layer> class Run {
 public:
  explicit Run(CharlmOptions options)
      : o_(std::move(options)),
        text_(o_.text.empty() ? read_king_james() : read_text(o_.text)),
        vocabulary_(text_) {
    const auto codes = vocabulary_.encode(text_);
    const auto split =
        codes.end() - static_cast<int64_t>(static_cast<double>(codes.size()) * validation_share);
    training_ = std::make_unique<TokenStreams>(std::vector<int64_t>(codes.begin(), split),
                                               TokenStreamsOptions{.batch = o_.batch, .length = o_.length});
    const std::vector<int64_t> held_out(split, codes.end());
    const int64_t streams = std::clamp<int64_t>(static_cast<int64_t>(held_out.size()) / 1000, 1, 32);
    const int64_t steps = static_cast<int64_t>(held_out.size()) / streams - 1;
    validation_ = std::make_unique<TokenStreams>(
        held_out, TokenStreamsOptions{.batch = streams, .length = std::min<int64_t>(128, steps)});
    // What would fail at the end fails now.
    if (o_.sample > 0)
      check(!vocabulary_.encode(o_.prompt).empty(), "[charlm] the prompt must have at least one character");
    if (!o_.save.empty()) check_can_save();
    manual_seed(o_.seed);
    net_ = std::make_unique<CharLM<Layer>>(vocabulary_.size(), o_);
    optimizer_ = std::make_unique<Adam>(net_->parameters(), AdamOptions{.lr = o_.learning_rate});
    if (!o_.load.empty()) load_model(load_safetensors(o_.load));
    if (!o_.resume.empty()) resume(load_safetensors(o_.resume));
  }

  int operator()() {
    fmt::print("{} characters, {} different; {} for training\n{}", text_.size(), vocabulary_.size(),
               training_->chunks() * o_.batch * o_.length, net_->summary());
    train();
    if (!o_.save.empty()) {
      save();
      fmt::print("saved {} after step {}\n", o_.save, step_);
    }
    if (interrupted) {
      fmt::print("interrupted after step {}{}\n", step_,
                 o_.save.empty() ? "; nothing was saved (no --save)" : "");
      return 130;
    }
    net_->eval();
    const double loss = validate();
    fmt::print("validation: loss {:.4f}  {:.3f} bits/char  perplexity {:.2f}\n", loss,
               loss / std::numbers::ln2, std::exp(loss));
    if (o_.sample > 0) fmt::print("\n{}\n", write_text());
    return 0;
  }

 private:
  using State = typename CharLM<Layer>::State;

  void train() {
    net_->train();
    Progress progress(step_, o_.steps, o_.batch * o_.length, std::max<int64_t>(1, o_.steps / reports));
    while (step_ < o_.steps && !interrupted) {
      const int64_t at = step_ % training_->chunks();
      if (at == 0) state_ = {};  // the streams begin again
      optimizer_->set_learning_rate(o_.learning_rate * static_cast<double>(o_.steps - step_) /
                                    static_cast<double>(o_.steps));
      const double loss = train_step(training_->chunk(at));
      ++step_;
      check(std::isfinite(loss), "[charlm] the loss became {} in step {}; a lower learning rate may help",
            loss, step_);
      progress.show(step_, loss);
    }
    progress.finish();
  }

  double train_step(const TokenStreams::Chunk& chunk) {
    Tape tape;
    auto [logits, next] = (*net_)(chunk.input, state_);
    const Tensor loss = cross_entropy(logits, chunk.target);
    tape.backward(loss);
    if (o_.clip > 0) clip_grad_norm(optimizer_->parameters(), o_.clip);
    optimizer_->step();
    state_ = detach(next);
    return loss.item();
  }

  double validate() const {
    State state;
    double sum = 0;
    for (int64_t i = 0; i < validation_->chunks(); ++i) {
      const auto chunk = validation_->chunk(i);
      auto [logits, next] = (*net_)(chunk.input, state);
      state = next;
      sum += cross_entropy(logits, chunk.target).item();
    }
    return sum / static_cast<double>(validation_->chunks());
  }

  std::string write_text() const {
    Random random(o_.seed);
    std::string text = o_.prompt;
    State state;
    std::vector<int64_t> input = vocabulary_.encode(o_.prompt);
    for (int64_t i = 0; i < o_.sample; ++i) {
      auto [logits, next] = (*net_)(from_vector(input, {static_cast<int64_t>(input.size()), 1}), state);
      state = next;
      const Tensor last = reshape(select(logits, 0, -1), {-1});
      const auto probabilities = softmax(last / o_.temperature).to_vector<float>();
      double rest = random.uniform();
      int64_t chosen = 0;
      while (chosen + 1 < vocabulary_.size() &&
             (rest -= static_cast<double>(probabilities[static_cast<size_t>(chosen)])) > 0)
        ++chosen;
      text += vocabulary_.symbol(chosen);
      input = {chosen};
    }
    return text;
  }

  void check_can_save() const {
    const auto folder = std::filesystem::absolute(o_.save).parent_path();
    check<FileError>(std::filesystem::is_directory(folder) && access(folder.c_str(), W_OK) == 0,
                     "{}: the folder {} does not exist or cannot be written", o_.save, folder.string());
  }

  void save() const {
    NamedTensors tensors;
    for (const auto& [name, tensor] : optimizer_->state_dict())
      tensors.emplace_back("optimizer." + name, tensor);
    for (const auto& [name, tensor] : net_->state_dict()) tensors.emplace_back("model." + name, tensor);
    size_t index = 0;
    for (const Tensor& tensor : detail::tensors_of(state_))
      tensors.emplace_back(fmt::format("state.{}", index++), tensor);
    auto metadata = identity(o_, vocabulary_);
    metadata.merge(schedule(o_));
    metadata["step"] = std::to_string(step_);
    metadata["random_position"] = std::to_string(default_random().position());
    save_safetensors(o_.save, tensors, metadata);
  }

  void load_model(const SafetensorsFile& file) {
    check_agrees(file, identity(o_, vocabulary_));
    net_->load_state_dict(part(file.tensors, "model."));
  }

  void resume(const SafetensorsFile& file) {
    check_agrees(file, schedule(o_));
    load_model(file);
    optimizer_->load_state_dict(part(file.tensors, "optimizer."));
    step_ = metadata_number(file, "step");
    default_random().restore(o_.seed, static_cast<uint64_t>(metadata_number(file, "random_position")));
    const NamedTensors carried = part(file.tensors, "state.");
    if (carried.empty()) return;
    State state;
    state.layers.resize(net_->recurrent.cells.size());
    size_t next = 0;
    detail::for_each_tensor(state, [&](Tensor& tensor) {
      check<FileError>(next < carried.size(), "{}: the carried state is incomplete", file.path.string());
      tensor = carried[next++].second;
    });
    state_ = state;
  }

  CharlmOptions o_;
  std::string text_;
  Vocabulary vocabulary_;
  std::unique_ptr<TokenStreams> training_, validation_;
  std::unique_ptr<CharLM<Layer>> net_;
  std::unique_ptr<Adam> optimizer_;
  State state_;
  int64_t step_ = 0;
};

}  // namespace

void interrupt_charlm() { interrupted = 1; }

int run_charlm(const CharlmOptions& options) {
  for (const auto& [name, value] :
       {std::pair{"embedding", options.embedding}, std::pair{"hidden", options.hidden},
        std::pair{"layers", options.layers}, std::pair{"steps", options.steps}})
    check(value >= 1, "[charlm] --{} must be at least 1, got {}", name, value);
  check(options.sample >= 0, "[charlm] --sample must be at least 0, got {}", options.sample);
  check(options.clip >= 0, "[charlm] --clip must be at least 0, got {}", options.clip);
  check(options.temperature > 0, "[charlm] expected a temperature above 0, got {}", options.temperature);
  check(options.load.empty() || options.resume.empty(),
        "[charlm] --load begins a new run and --resume goes on with an old one; "
        "only one of them can be given");
  if (options.cell == "lstm") return Run<LSTM>(options)();
  if (options.cell == "gru") return Run<GRU>(options)();
  check(options.cell == "rnn", "[charlm] expected the cell rnn, lstm or gru, got {}", options.cell);
  return Run<RNN>(options)();
}

}  // namespace reel::models
