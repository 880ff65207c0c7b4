#include "models/training/metrics_language.h"

#include <cmath>

#include "framework/error.h"
#include "ops/activation.h"
#include "ops/loss.h"
#include "tests/catch.h"

namespace reel {
namespace {

using Codes = std::vector<int64_t>;
using Words = std::vector<std::string>;

Words split(const std::string& text) {
  Words words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

double bleu_of(const BleuOptions& options, const std::string& hypothesis, const Words& references) {
  std::vector<Words> all;
  for (const std::string& reference : references) all.push_back(split(reference));
  Bleu bleu(options);
  bleu.update(split(hypothesis), all);
  return bleu.value();
}

Bleu corpus(const BleuOptions& options) {
  Bleu bleu(options);
  bleu.update(split("the cat sat on the mat"), {split("the cat is on the mat"), split("a cat sat on a mat")});
  bleu.update(split("there is a dog here"), {split("there was a dog here"), split("a dog is here now")});
  bleu.update(split("green ideas sleep"),
              {split("colourless green ideas sleep furiously"), split("green ideas are asleep")});
  return bleu;
}

}  // namespace

TEST_CASE("perplexity is that of the mean log-likelihood", "[metrics]") {
  const Tensor logits = log(tensor({{.1, .2, .7}, {.5, .3, .2}, {.2, .45, .35}, {.6, .3, .1}, {.05, .05, .9}},
                                   {.dtype = DType::float64}));
  const Tensor target = from_vector(Codes{2, 1, 0, 0, 1});
  Perplexity perplexity;
  perplexity.update(logits, target);
  CHECK(perplexity.loss() == Approx(1.33532871160375).epsilon(1e-13));  // scikit-learn 1.9.1, log_loss
  CHECK(perplexity.value() == Approx(std::exp(1.33532871160375)));
  // A model that knows nothing of C symbols has the perplexity C, and log2 C bits.
  Perplexity uniform;
  uniform.update(full({7, 3, 32}, 5.0), zeros({7, 3}, {.dtype = DType::int64}));
  CHECK(uniform.value() == Approx(32));
  BitsPerCharacter bits;
  bits.update(full({7, 3, 32}, 5.0), zeros({7, 3}, {.dtype = DType::int64}));
  CHECK(bits.value() == Approx(5));
}

TEST_CASE("batches of different length weigh by their targets", "[metrics]") {
  Perplexity perplexity;
  perplexity.update_loss(1.0, 30);
  perplexity.update_loss(2.0, 10);
  perplexity.update_loss(std::nan(""), 0);
  CHECK(perplexity.value() == Approx(std::exp(1.25)));
  BitsPerCharacter bits;
  bits.update_loss(3 * std::log(2.0), 10, 40);  // 10 tokens of 4 characters
  CHECK(bits.value() == Approx(0.75));
  bits.update_loss(std::log(2.0), 20);
  CHECK(bits.value() == Approx(50 / 60.0));
  CHECK(bits.loss() == Approx(50 * std::log(2.0) / 30));
  CHECK(std::isnan(Perplexity().value()));
}

TEST_CASE("likelihoods agree with the loss, padding left out", "[metrics]") {
  const Tensor logits = tensor({{1, -2, 0.5}, {900, 2, 3}, {-1, 0, 2}, {5, 5, 4}});
  const Tensor target = from_vector(Codes{0, -100, 2, 1});
  Perplexity perplexity;
  perplexity.update(logits, target);
  CHECK(perplexity.loss() == Approx(cross_entropy(logits, target).item()));
  Perplexity masked;
  masked.update(logits, from_vector(Codes{0, 1, 2, 1}), from_vector(std::vector<uint8_t>{1, 0, 2, 1}));
  CHECK(masked.state() == perplexity.state());
}

// sacrebleu 2.6.0, BLEU(tokenize='none', smooth_method=...).corpus_score, divided by 100.
TEST_CASE("corpus BLEU is that of sacrebleu", "[metrics]") {
  const auto score = [](BleuSmoothing smoothing) { return corpus({.smoothing = smoothing}).value(); };
  CHECK(score(BleuSmoothing::none) == 0);
  CHECK(score(BleuSmoothing::floor) == Approx(0.2800215283536743).epsilon(1e-12));
  CHECK(score(BleuSmoothing::add_k) == Approx(0.49071317141205056).epsilon(1e-12));
  CHECK(score(BleuSmoothing::exp) == Approx(0.41872985113937033).epsilon(1e-12));
  const Bleu bleu = corpus({.smoothing = BleuSmoothing::exp});
  CHECK(bleu.precisions()[1] == Approx(0.8181818181818181));
  CHECK(bleu.precisions()[3] == Approx(0.1));
  CHECK(bleu.brevity_penalty() == Approx(0.9310627797040228));
  CHECK(bleu.hypothesis_length() == 14);
  CHECK(bleu.reference_length() == 15);
}

TEST_CASE("BLEU of a sentence too short for four tokens is that of sacrebleu", "[metrics]") {
  const auto score = [](BleuSmoothing smoothing, bool effective) {
    return bleu_of({.smoothing = smoothing, .effective_order = effective}, "the small cat",
                   {"the cat is small"});
  };
  CHECK(score(BleuSmoothing::floor, false) == 0);
  CHECK(score(BleuSmoothing::floor, true) == Approx(0.122525130612191));
  CHECK(score(BleuSmoothing::add_k, false) == Approx(0.4578227398676672));
  CHECK(score(BleuSmoothing::add_k, true) == Approx(0.4578227398676672));
  CHECK(score(BleuSmoothing::exp, false) == 0);
  CHECK(score(BleuSmoothing::exp, true) == Approx(0.28435563904324646));
  CHECK(score(BleuSmoothing::none, true) == 0);
}

TEST_CASE("BLEU clips counts and punishes brevity as the paper has it", "[metrics]") {
  // Papineni et al. 2002, example 2: the modified unigram precision of seven times "the" is 2/7.
  Bleu unigrams({.max_order = 1});
  unigrams.update(split("the the the the the the the"),
                  {split("the cat is on the mat"), split("there is a cat on the mat")});
  CHECK(unigrams.value() == Approx(2 / 7.0));
  // Example 1: 17/18 unigrams of candidate 1 and 8/14 of candidate 2 are matched, and 10/17 and 1/13 bigrams.
  const std::vector<Words> references = {
      split("It is a guide to action that ensures that the military will forever heed Party commands"),
      split("It is the guiding principle which guarantees the military forces always being under the command "
            "of the "
            "Party"),
      split("It is the practical guide for the army always to heed the directions of the party")};
  Bleu first, second;
  first.update(
      split("It is a guide to action which ensures that the military always obeys the commands of the party"),
      references);
  second.update(split("It is to insure the troops forever hearing the activity guidebook that party direct"),
                references);
  CHECK(first.precisions()[0] == Approx(17 / 18.0));
  CHECK(second.precisions()[0] == Approx(8 / 14.0));
  CHECK(first.precisions()[1] == Approx(10 / 17.0));
  CHECK(second.precisions()[1] == Approx(1 / 13.0));
  // The closest reference counts: 12, 15 and 17 long, 12 is matched without a penalty.
  CHECK(first.reference_length() == 18);
  CHECK(bleu_of({.max_order = 1}, "a b", {"a b c d"}) == Approx(std::exp(-1.0)));
  CHECK(bleu_of({.max_order = 1}, "a b c", {"a b c d e", "a b c d e f"}) == Approx(std::exp(1 - 5 / 3.0)));
  CHECK(bleu_of({.max_order = 1}, "a b c", {"a b", "a b c d"}) ==
        Approx(2 / 3.0 + 1 / 3.0));  // the shorter of both
  CHECK(bleu_of({}, "a b c d e", {"a b c d e"}) == Approx(1));
}

TEST_CASE("BLEU of codes is that of words, and goes on from its state", "[metrics]") {
  Bleu codes({.smoothing = BleuSmoothing::exp});
  codes.update(Codes{1, 2, 3, 4, 1, 5}, {{1, 2, 6, 4, 1, 5}, {7, 2, 3, 4, 7, 5}});
  Bleu words({.smoothing = BleuSmoothing::exp});
  words.update(split("the cat sat on the mat"),
               {split("the cat is on the mat"), split("a cat sat on a mat")});
  CHECK(codes.state() == words.state());
  Bleu resumed({.smoothing = BleuSmoothing::exp});
  resumed.restore(words.state());
  CHECK(resumed.value() == words.value());
  CHECK(Bleu().value() == 0);
  CHECK_THROWS_WITH(words.update(Words{"a"}, std::vector<Words>{}), contains_text("at least one reference"));
  CHECK_THROWS_WITH(Bleu({.max_order = 0}), contains_text("max_order must be from 1 to 16, got 0"));
  CHECK_THROWS_WITH(Bleu({.smoothing_value = 1}), contains_text("left at -1 for the others; got 1"));
}

TEST_CASE("edits are counted", "[metrics]") {
  const auto counts = [](const std::string& hypothesis, const std::string& reference) {
    const EditCounts c =
        edit_counts(Codes(hypothesis.begin(), hypothesis.end()), Codes(reference.begin(), reference.end()));
    return Codes{c.hits, c.substitutions, c.deletions, c.insertions};
  };
  CHECK(counts("sitting", "kitten") == Codes{4, 2, 0, 1});  // kitten, sitten, sittin, sitting
  CHECK(counts("kitten", "sitting") == Codes{4, 2, 1, 0});
  CHECK(counts("saturday", "sunday") == Codes{5, 1, 0, 2});
  CHECK(counts("", "abc") == Codes{0, 0, 3, 0});
  CHECK(counts("ab", "") == Codes{0, 0, 0, 2});
  CHECK(counts("abc", "abc") == Codes{3, 0, 0, 0});
  CHECK(counts("b", "ab") == Codes{1, 0, 1, 0});
}

// jiwer 4.0.0, process_words and cer.
TEST_CASE("word and character error rates are those of jiwer", "[metrics]") {
  WordErrorRate words;
  words.update("the quick fox jumped over", "the quick  brown fox jumps");
  CHECK(words.value() == Approx(0.6));
  CHECK(words.counts().hits == 2);
  CHECK(words.counts().substitutions == 3);
  words.update(" hello duck world\tagain\n", "hello world");
  CHECK(words.value() == Approx(0.7142857142857143));
  CHECK(words.counts().insertions == 2);

  CharacterErrorRate characters;
  characters.update("the quick fox jumped over", "the quick brown fox jumps");
  CHECK(characters.value() == Approx(0.52));
  characters.reset();
  characters.update("smorgasb\u00f6rd", "sm\u00f6rg\u00e5sbord");
  CHECK(characters.value() == Approx(0.2727272727272727));
  CHECK(std::isnan(CharacterErrorRate().value()));
}

TEST_CASE("error rates of padded batches", "[metrics]") {
  ErrorRate rate;
  rate.update(from_vector(Codes{1, 2, 3, 4, 9, 9}, {2, 3}), from_vector(Codes{3, 1}),
              from_vector(Codes{1, 2, 9, 9, 5, 4, 6, 9}, {2, 4}), from_vector(Codes{2, 3}));
  CHECK(rate.counts().hits == 3);
  CHECK(rate.counts().insertions == 1);
  CHECK(rate.counts().deletions == 2);
  CHECK(rate.value() == Approx(3 / 5.0));
  const auto before = rate.state();
  const Tensor codes = from_vector(Codes{1, 2}, {1, 2});
  CHECK_THROWS_WITH(rate.update(codes, from_vector(Codes{3}), codes, from_vector(Codes{1})),
                    contains_text("a length must be from 0 to 2, got 3"));
  CHECK_THROWS_WITH(rate.update(codes, from_vector(Codes{1, 1}), codes, from_vector(Codes{1})),
                    contains_text("expected lengths int64 [1], got int64 [2]"));
  CHECK_THROWS_WITH(rate.update(zeros({1, 2}), from_vector(Codes{1}), codes, from_vector(Codes{1})),
                    contains_text("[error_rate] expected codes int64 [N, T], got float32 [1, 2]"));
  CHECK(rate.state() == before);
}

}  // namespace reel
