#include "ops/einsum_equation.h"

#include <algorithm>
#include <map>

#include "framework/error.h"

namespace reel::detail {
namespace {

constexpr char ellipsis = '.';

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool has(const Labels& labels, char label) { return labels.find(label) != Labels::npos; }

/// What stands between commas, without spaces; "..." becomes one '.'.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  /// The terms before "->", and the output after it, if there is one.
  void read(std::vector<Labels>& terms, Labels& output, bool& has_output) const {
    terms.emplace_back();
    has_output = false;
    for (size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == ' ') continue;
      Labels& labels = has_output ? output : terms.back();
      if (is_letter(c)) {
        labels.push_back(c);
      } else if (text_.substr(i, 3) == "...") {
        expect(!has(labels, ellipsis), "has '...' twice in one term");
        labels.push_back(ellipsis);
        i += 2;
      } else if (text_.substr(i, 2) == "->") {
        expect(!has_output, "has '->' twice");
        has_output = true;
        ++i;
      } else if (c == ',') {
        expect(!has_output, "has a comma in the output");
        terms.emplace_back();
      } else {
        expect(false, "has '" + std::string(1, c) + "' at position " + std::to_string(i) +
                          "; letters, commas, spaces, '...' and '->' are expected");
      }
    }
  }

  void expect(bool condition, const std::string& problem) const {
    check(condition, "[einsum] \"{}\" {}", text_, problem);
  }

 private:
  std::string_view text_;
};

/// With '...' replaced by the labels of `count` axes.
Labels expanded(const Labels& labels, size_t count) {
  Labels axes;
  for (size_t i = count; i-- > 0;) axes.push_back(static_cast<char>('0' + i));
  const size_t place = labels.find(ellipsis);
  return place == Labels::npos ? labels : labels.substr(0, place) + axes + labels.substr(place + 1);
}

Labels implicit_output(const std::vector<Labels>& terms, size_t ellipsis_axes) {
  std::map<char, int> count;
  for (const Labels& labels : terms)
    for (char label : labels)
      if (is_letter(label)) ++count[label];
  Labels output = expanded(Labels(1, ellipsis), ellipsis_axes);
  for (const auto& [label, times] : count)  // A..Z, a..z
    if (times == 1) output.push_back(label);
  return output;
}

void check_extents(const Reader& reader, const std::vector<Labels>& terms, std::span<const Tensor> operands) {
  struct First {
    int64_t extent;
    size_t operand;
  };
  std::map<char, First> firsts;
  for (size_t k = 0; k < terms.size(); ++k) {
    for (size_t i = 0; i < terms[k].size(); ++i) {
      const char label = terms[k][i];
      const int64_t extent = operands[k].shape()[i];
      if (const size_t before = terms[k].find(label); before < i) {
        reader.expect(extent == operands[k].shape()[before],
                      "takes a diagonal of axes of different extents of operand " + std::to_string(k) + ", " +
                          text(operands[k]));
        continue;
      }
      const auto [first, is_new] = firsts.try_emplace(label, First{extent, k});
      if (is_new || extent == first->second.extent) continue;
      reader.expect(
          extent == 1 || first->second.extent == 1,
          "does not fit: " +
              (is_letter(label) ? "'" + std::string(1, label) + "'" : std::string("an axis of '...'")) +
              " has extent " + std::to_string(first->second.extent) + " in operand " +
              std::to_string(first->second.operand) + ", " + text(operands[first->second.operand]) +
              ", and " + std::to_string(extent) + " in operand " + std::to_string(k) + ", " +
              text(operands[k]));
      if (first->second.extent == 1) first->second = {extent, k};
    }
  }
}

}  // namespace

EinsumEquation read_einsum(std::string_view text, std::span<const Tensor> operands) {
  const Reader reader(text);
  EinsumEquation result;
  bool has_output = false;
  reader.read(result.operands, result.output, has_output);
  reader.expect(result.operands.size() == operands.size(), "names " + std::to_string(result.operands.size()) +
                                                               " operands, " +
                                                               std::to_string(operands.size()) + " came");
  size_t ellipsis_axes = 0;
  for (size_t k = 0; k < operands.size(); ++k) {
    Labels& labels = result.operands[k];
    const size_t rank = operands[k].rank();
    const size_t named = labels.size() - (has(labels, ellipsis) ? 1 : 0);
    reader.expect(has(labels, ellipsis) ? named <= rank : named == rank,
                  "names " + std::to_string(named) + " axes of operand " + std::to_string(k) + ", which is " +
                      detail::text(operands[k]));
    if (has(labels, ellipsis)) ellipsis_axes = std::max(ellipsis_axes, rank - named);
    labels = expanded(labels, rank - named);
  }
  check_extents(reader, result.operands, operands);
  if (!has_output) {
    result.output = implicit_output(result.operands, ellipsis_axes);
    return result;
  }
  result.output = expanded(result.output, ellipsis_axes);
  for (char label : result.output) {
    const bool somewhere = std::any_of(result.operands.begin(), result.operands.end(),
                                       [&](const Labels& labels) { return has(labels, label); });
    reader.expect(somewhere, "has '" + std::string(1, label) + "' in the output, which is in no operand");
    reader.expect(std::count(result.output.begin(), result.output.end(), label) == 1,
                  "has '" + std::string(1, label) + "' twice in the output");
  }
  return result;
}

}  // namespace reel::detail
