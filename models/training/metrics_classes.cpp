#include "models/training/metrics_classes.h"

#include <cmath>

namespace reel {
namespace {

/// Classes ranked before class `target`; all of them for a nan.
int64_t rank_of(const double* scores, int64_t classes, int64_t target) {
  if (std::isnan(scores[target])) return classes;
  int64_t before = 0;
  for (int64_t c = 0; c < classes; ++c)
    if (scores[c] > scores[target] || (scores[c] == scores[target] && c < target) || std::isnan(scores[c]))
      ++before;
  return before;
}

void check_same_shape(const char* name, const Tensor& prediction, const Tensor& target) {
  check(target.dtype() == DType::int64, "[{}] expected targets int64, got {}", name, target);
  check(prediction.shape() == target.shape(), "[{}] expected predicted classes int64 {}, got {}", name,
        target.shape(), prediction);
}

void check_class(const char* name, const char* what, int64_t index, int64_t classes) {
  check(index >= 0 && index < classes, "[{}] the {} {} is none of {} classes", name, what, index, classes);
}

}  // namespace

Accuracy::Accuracy(const AccuracyOptions& options) : Totals("accuracy", 2), options_(options) {
  check(options.top_k >= 1, "[accuracy] top_k must be at least 1, got {}", options.top_k);
}

void Accuracy::update(const Tensor& prediction, const Tensor& target, const Tensor& mask) {
  double right = 0, total = 0;
  if (prediction.dtype() == DType::int64) {
    check_same_shape(name(), prediction, target);
    check(options_.top_k == 1, "[accuracy] top_k of {} needs scores, got classes {}", options_.top_k,
          prediction);
    const auto count = detail::counted(name(), target, mask);
    const auto predicted = prediction.to_vector<int64_t>();
    const auto wanted = target.to_vector<int64_t>();
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!count[i] || wanted[i] == options_.ignore_index) continue;
      right += predicted[i] == wanted[i] ? 1 : 0;
      ++total;
    }
  } else {
    const int64_t classes = detail::check_scores(name(), prediction, target);
    check(options_.top_k <= classes, "[accuracy] top_k of {} among {} classes", options_.top_k, classes);
    const auto count = detail::counted(name(), target, mask);
    const auto scores = detail::doubles(name(), prediction);
    const auto wanted = target.to_vector<int64_t>();
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!count[i] || wanted[i] == options_.ignore_index) continue;
      check_class(name(), "target", wanted[i], classes);
      right +=
          rank_of(&scores[i * static_cast<size_t>(classes)], classes, wanted[i]) < options_.top_k ? 1 : 0;
      ++total;
    }
  }
  at(0) += right;
  at(1) += total;
}

double Accuracy::value() const { return at(0) / at(1); }

namespace {
size_t matrix_size(int64_t classes) {
  constexpr int64_t most = 30000;  // a matrix of 7 GB
  check(classes >= 1 && classes <= most, "[confusion_matrix] expected from 1 to {} classes, got {}", most,
        classes);
  return static_cast<size_t>(classes * classes);
}
}  // namespace

ConfusionMatrix::ConfusionMatrix(int64_t classes, const ConfusionOptions& options)
    : Totals("confusion_matrix", matrix_size(classes)), classes_(classes), options_(options) {}

void ConfusionMatrix::update(const Tensor& prediction, const Tensor& target, const Tensor& mask) {
  std::vector<int64_t> predicted;
  if (prediction.dtype() == DType::int64) {
    check_same_shape(name(), prediction, target);
    predicted = prediction.to_vector<int64_t>();
  } else {
    const int64_t classes = detail::check_scores(name(), prediction, target);
    check(classes == classes_, "[confusion_matrix] expected scores of {} classes, got {}", classes_,
          prediction);
    const auto scores = detail::doubles(name(), prediction);
    for (size_t i = 0; i < scores.size(); i += static_cast<size_t>(classes)) {
      int64_t best = 0;
      for (int64_t c = 1; c < classes; ++c)
        if (!(scores[i + static_cast<size_t>(c)] <= scores[i + static_cast<size_t>(best)])) best = c;
      predicted.push_back(best);
    }
  }
  const auto count = detail::counted(name(), target, mask);
  const auto wanted = target.to_vector<int64_t>();
  std::vector<size_t> cells;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!count[i] || wanted[i] == options_.ignore_index) continue;
    check_class(name(), "target", wanted[i], classes_);
    check_class(name(), "prediction", predicted[i], classes_);
    cells.push_back(static_cast<size_t>(wanted[i] * classes_ + predicted[i]));
  }
  for (size_t cell : cells) ++at(cell);
}

Tensor ConfusionMatrix::value() const {
  std::vector<int64_t> cells;
  for (double count : state()) cells.push_back(static_cast<int64_t>(count));
  return from_vector(cells, {classes_, classes_});
}

std::vector<ConfusionMatrix::Counts> ConfusionMatrix::counts() const {
  const auto n = static_cast<size_t>(classes_);
  std::vector<Counts> result(n, {0, 0, 0});
  for (size_t row = 0; row < n; ++row) {
    for (size_t column = 0; column < n; ++column) {
      const double count = at(row * n + column);
      result[row].actual += count;
      result[column].predicted += count;
      if (row == column) result[row].hits += count;
    }
  }
  return result;
}

double ConfusionMatrix::ratio(double part, double whole) const {
  return whole > 0 ? part / whole : options_.zero_division;
}

double ConfusionMatrix::accuracy() const {
  double hits = 0, all = 0;
  for (const Counts& c : counts()) {
    hits += c.hits;
    all += c.actual;
  }
  return hits / all;
}

std::vector<double> ConfusionMatrix::support() const {
  std::vector<double> result;
  for (const Counts& c : counts()) result.push_back(c.actual);
  return result;
}

std::vector<double> ConfusionMatrix::precision() const {
  std::vector<double> result;
  for (const Counts& c : counts()) result.push_back(ratio(c.hits, c.predicted));
  return result;
}

std::vector<double> ConfusionMatrix::recall() const {
  std::vector<double> result;
  for (const Counts& c : counts()) result.push_back(ratio(c.hits, c.actual));
  return result;
}

std::vector<double> ConfusionMatrix::f1() const {
  std::vector<double> result;
  for (const Counts& c : counts()) result.push_back(ratio(2 * c.hits, c.predicted + c.actual));
  return result;
}

double ConfusionMatrix::averaged(const std::vector<double>& scores, Average average, double micro) const {
  if (average == Average::micro) return micro;
  const std::vector<double> targets = support();
  double sum = 0, weights = 0;
  for (size_t c = 0; c < scores.size(); ++c) {
    if (std::isnan(scores[c])) continue;
    const double weight = average == Average::macro ? 1 : targets[c];
    sum += weight * scores[c];
    weights += weight;
  }
  return ratio(sum, weights);
}

// One class is predicted for each element, so that the counts of all classes together give the accuracy.
double ConfusionMatrix::precision(Average average) const {
  const double all = accuracy();
  return averaged(precision(), average, std::isnan(all) ? options_.zero_division : all);
}

double ConfusionMatrix::recall(Average average) const {
  const double all = accuracy();
  return averaged(recall(), average, std::isnan(all) ? options_.zero_division : all);
}

double ConfusionMatrix::f1(Average average) const {
  const double all = accuracy();
  return averaged(f1(), average, std::isnan(all) ? options_.zero_division : all);
}

}  // namespace reel
