#include "models/data/csv_fields.h"

#include <csv.h>

#include <new>
#include <utility>

#include "framework/error.h"

namespace reel::detail {
namespace {

constexpr size_t buffer_step = 1 << 14;  // by which libcsv's buffer for a field grows

/// Takes the fields from libcsv, whose functions know nothing of exceptions: what is wrong is kept until it
/// returns.
class FieldTaker {
 public:
  CsvFields fields;
  uint64_t line = 1;        // that is being parsed
  uint64_t begin_line = 1;  // of the row that is being parsed

  static void field(void* text, size_t size, void* self) { static_cast<FieldTaker*>(self)->take(text, size); }
  static void row(int, void* self) { static_cast<FieldTaker*>(self)->end_row(); }
  void rethrow() const {
    if (out_of_memory_) throw std::bad_alloc();
    check<FileError>(!wrong_, "line {}: expected {} fields, as in the first row, got {}", wrong_row_line_,
                     fields.columns.size(), wrong_fields_);
  }

 private:
  void take(const void* text, size_t size) noexcept {
    if (stopped()) return;
    try {
      if (count_ == 0) fields.lines.push_back(begin_line);
      if (fields.lines.size() == 1) fields.columns.emplace_back();
      if (count_ < fields.columns.size())
        fields.columns[count_].add({static_cast<const char*>(text), text ? size : 0},
                                   text != nullptr && size == 0);
      ++count_;
    } catch (const std::bad_alloc&) {
      out_of_memory_ = true;
    }
  }
  void end_row() noexcept {
    if (!stopped() && count_ != fields.columns.size()) {
      wrong_ = true;
      wrong_row_line_ = fields.lines.back();
      wrong_fields_ = count_;
    }
    count_ = 0;
  }
  bool stopped() const { return wrong_ || out_of_memory_; }

  size_t count_ = 0;
  bool wrong_ = false, out_of_memory_ = false;
  uint64_t wrong_row_line_ = 0;
  size_t wrong_fields_ = 0;
};

struct Parser {
  csv_parser state{};
  Parser(char delimiter, char quote) {
    csv_init(&state, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL);
    csv_set_delim(&state, static_cast<unsigned char>(delimiter));
    csv_set_quote(&state, static_cast<unsigned char>(quote));
    csv_set_space_func(&state, [](unsigned char) { return 0; });  // they are part of a field
    csv_set_blk_size(&state, buffer_step);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { csv_free(&state); }
  bool between_rows() const { return state.pstate == 0; }
};

/// The length of the first line of a text, with its end: CR LF, LF or CR.
size_t line_length(std::string_view text) {
  const size_t end = text.find_first_of("\r\n");
  if (end == std::string_view::npos) return text.size();
  return text.substr(end).starts_with("\r\n") ? end + 2 : end + 1;
}

}  // namespace

CsvFields split_csv(std::string_view text, char delimiter, char quote) {
  check(delimiter != quote && delimiter != '\n' && delimiter != '\r' && quote != '\n' && quote != '\r',
        "[csv] expected a delimiter and a quote that differ and are no line end");
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (text.starts_with(mark)) text.remove_prefix(mark.size());
  FieldTaker taker;
  Parser parser(delimiter, quote);
  const auto fail_if = [&](bool failed) {
    taker.rethrow();
    if (!failed) return;
    const int error = csv_error(&parser.state);
    if (error == CSV_ENOMEM || error == CSV_ETOOBIG) throw std::bad_alloc();
    fail<FileError>(
        "line {}: a quote that does not end, or stands where none may be, in the row that begins at line {}",
        {std::to_string(taker.line), std::to_string(taker.begin_line)});
  };
  // Line by line, so that each row's line is known.
  for (; !text.empty(); ++taker.line) {
    const size_t length = line_length(text);
    if (parser.between_rows()) taker.begin_line = taker.line;
    fail_if(csv_parse(&parser.state, text.data(), length, FieldTaker::field, FieldTaker::row, &taker) !=
            length);
    text.remove_prefix(length);
  }
  fail_if(csv_fini(&parser.state, FieldTaker::field, FieldTaker::row, &taker) != 0);
  return std::move(taker.fields);
}

}  // namespace reel::detail
