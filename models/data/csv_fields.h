// The fields of a CSV file as text, before anybody asks what they mean. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reel::detail {

/// One column's fields, their text one after the other.
class FieldColumn {
 public:
  void add(std::string_view field, bool quoted) {
    text_ += field;
    ends_.push_back(text_.size() << 1 | (quoted ? 1 : 0));
  }
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t row) const {
    const size_t begin = row == 0 ? 0 : ends_[row - 1] >> 1;
    return std::string_view(text_).substr(begin, (ends_[row] >> 1) - begin);
  }
  /// Whether an empty field was empty quotes. Of other fields it is not known.
  bool quoted_empty(size_t row) const { return ends_[row] & 1; }

 private:
  std::string text_;
  std::vector<size_t> ends_;  // twice the place, and whether it is quoted and empty
};

struct CsvFields {
  std::vector<FieldColumn> columns;
  std::vector<uint64_t> lines;  // where each row begins, from 1
};

/// Throws FileError, without the path, if the text is no table.
CsvFields split_csv(std::string_view text, char delimiter, char quote);

}  // namespace reel::detail
