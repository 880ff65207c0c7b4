// What a user can do wrong with losses and distances: the message names the loss, what was expected and what came.
#include <cmath>

#include "framework/tape.h"
#include "ops/distance.h"
#include "ops/loss.h"
#include "tests/framework/misuse.h"

namespace reel {
namespace {

const TensorOptions wide{.dtype = DType::float64};
const Tensor x = ones({2, 3}), row = ones({3}), doubles = ones({2, 3}, wide),
             whole = zeros({2, 3}, {.dtype = DType::int64});

struct NamedLoss {
  const char* name;
  std::function<Tensor(const Tensor&, const Tensor&)> loss;
};

const NamedLoss of_one_shape[] = {
    {"[mse_loss]", [](const Tensor& a, const Tensor& b) { return mse_loss(a, b); }},
    {"[l1_loss]", [](const Tensor& a, const Tensor& b) { return l1_loss(a, b); }},
    {"[smooth_l1_loss]", [](const Tensor& a, const Tensor& b) { return smooth_l1_loss(a, b); }},
    {"[smooth_l1_loss]", [](const Tensor& a, const Tensor& b) { return smooth_l1_loss(a, b, {.beta = 0}); }},
    {"[huber_loss]", [](const Tensor& a, const Tensor& b) { return huber_loss(a, b); }},
    {"[binary_cross_entropy]", [](const Tensor& a, const Tensor& b) { return binary_cross_entropy(a, b); }},
    {"[binary_cross_entropy_with_logits]",
     [](const Tensor& a, const Tensor& b) { return binary_cross_entropy_with_logits(a, b); }},
    {"[sigmoid_focal_loss]", [](const Tensor& a, const Tensor& b) { return sigmoid_focal_loss(a, b); }},
    {"[multilabel_soft_margin_loss]",
     [](const Tensor& a, const Tensor& b) { return multilabel_soft_margin_loss(a, b); }},
};

const NamedLoss broadcasting[] = {
    {"[poisson_nll_loss]", [](const Tensor& a, const Tensor& b) { return poisson_nll_loss(a, b); }},
    {"[gaussian_nll_loss]",
     [](const Tensor& a, const Tensor& b) { return gaussian_nll_loss(a, b, ones_like(a)); }},
    {"[kl_div]", [](const Tensor& a, const Tensor& b) { return kl_div(a, b); }},
    {"[margin_ranking_loss]", [](const Tensor& a, const Tensor& b) { return margin_ranking_loss(a, b, a); }},
    {"[soft_margin_loss]", [](const Tensor& a, const Tensor& b) { return soft_margin_loss(a, b); }},
    {"[triplet_margin_loss]", [](const Tensor& a, const Tensor& b) { return triplet_margin_loss(a, b, a); }},
    {"[pairwise_distance]", [](const Tensor& a, const Tensor& b) { return pairwise_distance(a, b); }},
    {"[cosine_similarity]", [](const Tensor& a, const Tensor& b) { return cosine_similarity(a, b); }},
};

}  // namespace

TEST_CASE("losses of shapes and dtypes that do not fit", "[misuse]") {
  for (const auto& [name, loss] : of_one_shape) {
    refused({x, row}, {name, "float32 [2, 3]", "float32 [3]"}, [&, loss = loss] { loss(x, row); });
    refused({x}, {name, "float32 [2, 3]", "float64 [2, 3]"}, [&, loss = loss] { loss(x, doubles); });
    refused({x}, {name, "int64 [2, 3]"}, [&, loss = loss] { loss(whole, whole); });
  }
  for (const auto& [name, loss] : broadcasting) {
    refused({x}, {name, "[2, 3]", "[2, 4]"}, [&, loss = loss] { loss(x, ones({2, 4})); });
    refused({x}, {name, "float32 [2, 3]", "float64 [2, 3]"}, [&, loss = loss] { loss(x, doubles); });
    refused({x}, {name, "floating", "int64 [2, 3]"}, [&, loss = loss] { loss(whole, x); });
  }
}

TEST_CASE("options of losses that make no sense", "[misuse]") {
  refused({x}, {"[smooth_l1_loss]", "beta", "-1"}, [] { smooth_l1_loss(x, x, {.beta = -1}); });
  refused({x}, {"[huber_loss]", "delta", "0"}, [] { huber_loss(x, x, {.delta = 0}); });
  refused({x}, {"[huber_loss]", "delta", "nan"}, [] { huber_loss(x, x, {.delta = NAN}); });
  refused({x}, {"[gaussian_nll_loss]", "eps", "0"}, [] { gaussian_nll_loss(x, x, x, {.eps = 0}); });
  refused({x}, {"[sigmoid_focal_loss]", "gamma", "-1"}, [] { sigmoid_focal_loss(x, x, {.gamma = -1}); });
  refused({x}, {"[sigmoid_focal_loss]", "alpha", "2"}, [] { sigmoid_focal_loss(x, x, {.alpha = 2}); });
  refused({x}, {"[triplet_margin_loss]", "p above 0", "0"}, [] { triplet_margin_loss(x, x, x, {.p = 0}); });
  refused({x}, {"[pairwise_distance]", "p above 0", "-2"}, [] { pairwise_distance(x, x, {.p = -2}); });
  refused({x}, {"[cosine_similarity]", "eps", "0"}, [] { cosine_similarity(x, x, {.eps = 0}); });
  refused({x}, {"[cosine_similarity]", "axis 2"}, [] { cosine_similarity(x, x, {.axis = 2}); });
  refused({row}, {"[cosine_similarity]", "axis 1"}, [] { cosine_similarity(row, row); });
  refused({}, {"[pairwise_distance]", "[..., D]", "float32 []"},
          [] { pairwise_distance(scalar(1), scalar(1)); });
  refused({}, {"[kl_div]", "batchmean", "float32 []"},
          [] { kl_div(scalar(1), scalar(1), {.reduction = KlReduction::batchmean}); });
}

TEST_CASE("values that losses are not defined for", "[misuse]") {
  const Tensor var = tensor({{1, 2, 3}, {1, -2, 3}});
  refused({var}, {"[gaussian_nll_loss]", "-2", "position 4", "float32 [2, 3]"},
          [&] { gaussian_nll_loss(x, x, var); });
  for (double p : {-0.5, 1.5, static_cast<double>(NAN)})
    refused({x}, {"[binary_cross_entropy]", "[0, 1]", "position 0"},
            [&] { binary_cross_entropy(full({2}, p), ones({2})); });
  refused({x}, {"[gaussian_nll_loss]", "[2, 3]", "[2, 1]", "[2]", "float32 [3]"},
          [] { gaussian_nll_loss(x, x, row); });
}

TEST_CASE("weights of losses that do not fit", "[misuse]") {
  const Tensor four = ones({4}), more = ones({1, 2, 3}), t = from_vector<int64_t>({0, 1});
  for (const Tensor& weight : {more, ones({3}, wide)}) {
    refused({x}, {"[binary_cross_entropy]", "weight", "float32 [2, 3]"},
            [&] { binary_cross_entropy(x, x, {.weight = weight}); });
    refused({x}, {"[binary_cross_entropy_with_logits]", "pos_weight", "float32 [2, 3]"},
            [&] { binary_cross_entropy_with_logits(x, x, {.pos_weight = weight}); });
    refused({x}, {"[multilabel_soft_margin_loss]", "weight", "float32 [2, 3]"},
            [&] { multilabel_soft_margin_loss(x, x, {.weight = weight}); });
    refused({x}, {"[cross_entropy]", "float32 [3]", "float32 [2, 3]"},
            [&] { cross_entropy(x, t, {.weight = weight}); });
    refused({x}, {"[nll_loss]", "float32 [3]", "float32 [2, 3]"},
            [&] { nll_loss(x, t, {.weight = weight}); });
    refused({x}, {"[multi_margin_loss]", "float32 [3]", "float32 [2, 3]"},
            [&] { multi_margin_loss(x, t, {.weight = weight}); });
  }
  refused({x}, {"[cross_entropy]", "float32 [3]", "float32 [4]"},
          [&] { cross_entropy(x, x, {.weight = four}); });
  refused({x}, {"[binary_cross_entropy]", "[4]"}, [&] { binary_cross_entropy(x, x, {.weight = four}); });
}

TEST_CASE("targets of losses that do not fit", "[misuse]") {
  const Tensor t = from_vector<int64_t>({0, 1}), three = from_vector<int64_t>({0, 3}),
               below = from_vector<int64_t>({-1, 0});
  refused({x}, {"[cross_entropy]", "probabilities", "ignore_index 1"},
          [] { cross_entropy(x, x, {.ignore_index = 1}); });
  refused({x}, {"[cross_entropy]", "float32 [2, 3]", "float64 [2, 3]"}, [] { cross_entropy(x, doubles); });
  refused({x}, {"[nll_loss]", "int64 [2]", "float32 [2, 3]"}, [] { nll_loss(x, x); });
  refused({x}, {"[nll_loss]", "index 3", "position 1", "[0, 3)"}, [&] { nll_loss(x, three); });
  refused({x}, {"[nll_loss]", "axis 2"}, [&] { nll_loss(x, t, {.axis = 2}); });
  refused({}, {"[nll_loss]", "[..., C]", "float32 []"}, [&] { nll_loss(scalar(1), t); });
  refused({x}, {"[multi_margin_loss]", "index 3", "position 1", "[0, 3)"},
          [&] { multi_margin_loss(x, three); });
  refused({x}, {"[multi_margin_loss]", "index -1"}, [&] { multi_margin_loss(x, below); });
  refused({x}, {"[multi_margin_loss]", "int64 [2]", "int64 [2, 3]"}, [] { multi_margin_loss(x, whole); });
  refused({x}, {"[multi_margin_loss]", "p of 1 or 2", "3"}, [&] { multi_margin_loss(x, t, {.p = 3}); });
  refused({}, {"[multi_margin_loss]", "[N, C]", "float32 [2, 3, 1]"}, [&] {
    multi_margin_loss(ones({2, 3, 1}), t);
  });
  refused({}, {"[multi_margin_loss]", "[N, C]", "float32 []"}, [&] { multi_margin_loss(scalar(1), t); });
  refused({x}, {"[multilabel_margin_loss]", "int64 [2, 3]", "int64 [2]"},
          [&] { multilabel_margin_loss(x, t); });
  refused({}, {"[multilabel_margin_loss]", "index 2", "position 1", "[0, 2)"}, [] {
    multilabel_margin_loss(ones({2}), from_vector<int64_t>({1, 2}));
  });
  refused({x}, {"[hinge_embedding_loss]", "int64", "float64 [2, 3]"},
          [] { hinge_embedding_loss(x, doubles); });
  refused({x}, {"[hinge_embedding_loss]", "[2, 3]", "[2]"}, [&] { hinge_embedding_loss(x, t); });
  refused({x}, {"[cosine_embedding_loss]", "[N, D]", "int64 [2, 3]"},
          [] { cosine_embedding_loss(x, x, whole); });
  refused({x}, {"[cosine_embedding_loss]", "[2]", "[3]"}, [] { cosine_embedding_loss(x, x, row); });
  refused({x}, {"[margin_ranking_loss]", "one rank", "float32 [3]"}, [] { margin_ranking_loss(x, row, x); });
  refused({x}, {"[triplet_margin_loss]", "one rank", "float32 [3]"}, [] { triplet_margin_loss(x, row, x); });
  refused({row}, {"[soft_margin_loss]", "float32 [3]", "float32 [2, 3]"}, [] { soft_margin_loss(row, x); });
}

TEST_CASE("ctc_loss of what does not fit", "[misuse]") {
  using Lengths = std::vector<int64_t>;
  const Tensor p = zeros({4, 2, 3}), t = from_vector<int64_t>({1, 2, 2, 1}, {2, 2});
  const Lengths times{4, 3}, counts{2, 1};
  const auto wrong = [&](std::initializer_list<const char*> parts, const Tensor& log_probs,
                         const Tensor& targets, const Lengths& input_lengths, const Lengths& target_lengths,
                         const CtcLossOptions& options = {}) {
    refused({p, t}, parts, [&] { ctc_loss(log_probs, targets, input_lengths, target_lengths, options); });
  };
  wrong({"[ctc_loss]", "floating", "int64 [2, 2]"}, t, t, times, counts);
  wrong({"[ctc_loss]", "[T, N, C]", "float32 [3]"}, row, t, times, counts);
  wrong({"[ctc_loss]", "int64", "float32 [2, 3]"}, p, x, times, counts);
  wrong({"[ctc_loss]", "[S]", "int64 [2, 2]"}, x, t, {2}, {2});
  wrong({"[ctc_loss]", "float32 [4, 2, 3]", "2 lengths", "1 input_lengths"}, p, t, {4}, counts);
  wrong({"[ctc_loss]", "2 lengths", "3 target_lengths"}, p, t, times, {1, 1, 1});
  wrong({"[ctc_loss]", "input_lengths", "[0, 4]", "got 5"}, p, t, {4, 5}, counts);
  wrong({"[ctc_loss]", "input_lengths", "got -1"}, p, t, {4, -1}, counts);
  wrong({"[ctc_loss]", "target length of 3", "int64 [2, 2]"}, p, t, times, {2, 3});
  wrong({"[ctc_loss]", "target_lengths", "got -1"}, p, t, times, {2, -1});
  wrong({"[ctc_loss]", "target length", "int64 [2, 2]"}, p, t, times, {2, INT64_MAX});
  wrong({"[ctc_loss]", "target length", "int64 [4]"}, p, from_vector<int64_t>({1, 2, 2, 1}), times,
        {2, INT64_MAX});
  wrong({"[ctc_loss]", "[2, S]", "[3]", "int64 [4]"}, p, from_vector<int64_t>({1, 2, 2, 1}), times, counts);
  wrong({"[ctc_loss]", "2 sequences", "int64 [3, 2]"}, p, zeros({3, 2}, {.dtype = DType::int64}), times,
        counts);
  wrong({"[ctc_loss]", "blank", "[0, 3)", "3"}, p, t, times, counts, {.blank = 3});
  wrong({"[ctc_loss]", "label 1", "position 0", "target 0", "blank"}, p, t, times, counts, {.blank = 1});
  wrong({"[ctc_loss]", "label 5", "position 1", "target 0", "[0, 3)"}, p,
        from_vector<int64_t>({1, 5, 2, 2}, {2, 2}), times, counts);
  refused({p}, {"[ctc_loss]", "input_lengths", "float32 [2]"}, [&] {
    ctc_loss(p, t, ones({2}), from_vector<int64_t>({2, 1}));
  });
  refused({p}, {"[ctc_loss]", "target_lengths", "int64 [2, 2]"}, [&] {
    ctc_loss(p, t, from_vector<int64_t>({2, 1}), t);
  });
}

TEST_CASE("a refused loss leaves nothing on the tape", "[misuse]") {
  Tensor w = ones({2, 3}).requires_grad_();
  Tape tape;
  CHECK_THROWS_AS(mse_loss(w, row), Error);
  CHECK_THROWS_AS(gaussian_nll_loss(w, x, full({2, 3}, -1)), Error);
  CHECK_THROWS_AS(multi_margin_loss(w, from_vector<int64_t>({0, 3})), Error);
  CHECK_THROWS_AS(cross_entropy(w, from_vector<int64_t>({0, 3}), {.weight = row}), Error);
  CHECK_THROWS_AS(ctc_loss(w, from_vector<int64_t>({0}), std::vector<int64_t>{2}, std::vector<int64_t>{1}),
                  Error);
  CHECK(tape.size() == 0);
}

}  // namespace reel
