#include "models/data/csv.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "models/data/csv_fields.h"
#include "models/data/file_bytes.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

using detail::CsvFields;
using detail::FieldColumn;

std::string shown(std::string_view field) {
  constexpr size_t longest = 50;
  std::string result = "'" + std::string(field.substr(0, longest)) + (field.size() > longest ? "...'" : "'");
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return result;
}

template <class T> std::optional<T> number(std::string_view field) {
  constexpr std::string_view spaces = " \t";
  field.remove_prefix(std::min(field.find_first_not_of(spaces), field.size()));
  field = field.substr(0, field.find_last_not_of(spaces) + 1);
  if (field.starts_with('+') && !field.starts_with("+-"))
    field.remove_prefix(1);  // which from_chars does not know
  T value{};
  const char* end = field.data() + field.size();
  const auto [stop, failure] = std::from_chars(field.data(), end, value);
  if (failure != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// Makes one column of its fields.
class ColumnReader {
 public:
  ColumnReader(std::string name, const FieldColumn& fields, size_t first_row,
               const std::vector<uint64_t>& lines, const CsvOptions& csv, const ColumnOptions& options)
      : fields_(fields), first_(first_row), lines_(lines), csv_(csv), options_(options) {
    column_.name = std::move(name);
  }

  Column read() {
    column_.type = options_.type == ColumnType::automatic ? type_of_fields() : options_.type;
    for (size_t row = first_; row < fields_.size(); ++row) {
      if (column_.type == ColumnType::integer) read_integer(row);
      if (column_.type == ColumnType::real) read_real(row);
      if (column_.type == ColumnType::text) column_.texts.emplace_back(missing(row) ? "" : fields_[row]);
    }
    if (column_.type == ColumnType::category) read_categories();
    return std::move(column_);
  }

 private:
  bool missing(size_t row) const {
    const std::string_view field = fields_[row];
    if (fields_.quoted_empty(row)) return false;
    return std::find(csv_.missing.begin(), csv_.missing.end(), field) != csv_.missing.end();
  }

  ColumnType type_of_fields() const {
    bool integers = true;
    for (size_t row = first_; row < fields_.size(); ++row) {
      if (missing(row)) {
        integers = integers && options_.fill;
        continue;
      }
      integers = integers && number<int64_t>(fields_[row]);
      if (!integers && !number<double>(fields_[row])) return ColumnType::text;
    }
    if (fields_.size() == first_) return ColumnType::text;
    return integers ? ColumnType::integer : ColumnType::real;
  }

  void read_integer(size_t row) {
    if (missing(row)) {
      expect(options_.fill.has_value(), row, "an integer; it is missing, and no fill is given");
      column_.integers.push_back(*options_.fill);
      return;
    }
    const auto value = number<int64_t>(fields_[row]);
    expect(value.has_value(), row, "an integer");
    column_.integers.push_back(*value);
  }

  void read_real(size_t row) {
    const auto value = missing(row) ? std::numeric_limits<double>::quiet_NaN() : number<double>(fields_[row]);
    expect(value.has_value(), row, "a number");
    column_.reals.push_back(*value);
  }

  void read_categories() {
    column_.categories = options_.categories;
    if (column_.categories.empty()) {
      std::set<std::string, std::less<>> found;
      for (size_t row = first_; row < fields_.size(); ++row)
        if (!missing(row) && !found.contains(fields_[row])) found.emplace(fields_[row]);
      column_.categories.assign(found.begin(), found.end());
    }
    std::vector<std::pair<std::string_view, int64_t>> sorted;
    for (const std::string& category : column_.categories)
      sorted.emplace_back(category, static_cast<int64_t>(sorted.size()));
    std::sort(sorted.begin(), sorted.end());
    for (size_t row = first_; row < fields_.size(); ++row) {
      const auto found = std::lower_bound(sorted.begin(), sorted.end(), std::pair(fields_[row], int64_t{0}));
      const bool known = found != sorted.end() && found->first == fields_[row];
      expect(known || missing(row), row, "one of the categories");
      column_.integers.push_back(known && !missing(row) ? found->second : -1);
    }
  }

  void expect(bool condition, size_t row, std::string_view what) const {
    check<FileError>(condition, "line {}, column {}: expected {}, got {}", lines_[row], shown(column_.name),
                     what, shown(fields_[row]));
  }

  const FieldColumn& fields_;
  size_t first_;
  const std::vector<uint64_t>& lines_;
  const CsvOptions& csv_;
  const ColumnOptions& options_;
  Column column_;
};

std::vector<std::string> names_of(const CsvFields& fields, const CsvOptions& options) {
  const size_t count = fields.columns.size();
  std::vector<std::string> names = options.names;
  check(names.empty() || names.size() == count, "[csv] expected {} names of columns, got {}", count,
        names.size());
  for (size_t i = names.size(); i < count; ++i)
    names.push_back(options.header ? std::string(fields.columns[i][0]) : std::to_string(i));
  std::set<std::string_view> seen;
  for (const std::string& name : names)
    check<FileError>(seen.insert(name).second, "line 1: two columns are called {}", shown(name));
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t most = 20;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i) text += (i ? ", " : "") + shown(names[i]);
  return names.size() > most ? text + ", ..." : text;
}

void check_columns(const CsvOptions& options, const std::vector<std::string>& names, std::string_view file) {
  std::set<std::string_view> seen;
  for (const auto& [name, column] : options.columns) {
    check(std::find(names.begin(), names.end(), name) != names.end(), "[csv] {} has no column {}; it has {}",
          file, shown(name), listed(names));
    check(seen.insert(name).second, "[csv] the column {} is given options twice", shown(name));
    const ColumnType type = column.type;
    check(!column.fill || type == ColumnType::integer || type == ColumnType::automatic,
          "[csv] fill is for integers, and the column {} is not one of integers", shown(name));
    check(column.categories.empty() || type == ColumnType::category,
          "[csv] categories are given for the column {}, whose type is another", shown(name));
    const std::set<std::string_view> different(column.categories.begin(), column.categories.end());
    check(different.size() == column.categories.size(),
          "[csv] the categories of the column {} are not all different", shown(name));
  }
}

Table make_table(std::string_view text, const CsvOptions& options, std::string_view file) {
  const CsvFields fields = detail::split_csv(text, options.delimiter, options.quote);
  check<FileError>(!fields.lines.empty() || !options.header, "the table is empty, and a header was expected");
  const std::vector<std::string> names = names_of(fields, options);
  check_columns(options, names, file);
  const size_t first = options.header ? 1 : 0;
  Table table;
  table.rows = static_cast<int64_t>(fields.lines.size() - first);
  for (size_t i = 0; i < names.size(); ++i) {
    const auto given = std::find_if(options.columns.begin(), options.columns.end(),
                                    [&](const auto& entry) { return entry.first == names[i]; });
    const ColumnOptions column = given == options.columns.end() ? ColumnOptions{} : given->second;
    if (column.type == ColumnType::ignored) continue;
    table.columns.push_back(
        ColumnReader(names[i], fields.columns[i], first, fields.lines, options, column).read());
  }
  return table;
}

}  // namespace

Tensor Column::tensor() const {
  check(type != ColumnType::text, "[csv] the column {} is text, of which no tensor can be made", shown(name));
  return type == ColumnType::real ? from_vector(reals) : from_vector(integers);
}

bool Table::contains(std::string_view name) const {
  return std::any_of(columns.begin(), columns.end(),
                     [&](const Column& column) { return column.name == name; });
}

const Column& Table::at(std::string_view name) const {
  std::vector<std::string> names;
  for (const Column& column : columns) {
    if (column.name == name) return column;
    names.push_back(column.name);
  }
  detail::fail("[csv] the table has no column {}; it has {}", {shown(name), listed(names)});
}

Tensor Table::matrix(const std::vector<std::string>& names, DType dtype) const {
  check(!names.empty(), "[csv] expected names of columns, got none");
  check(is_floating(dtype), "[csv] expected a floating dtype, got {}", dtype);
  std::vector<Tensor> parts;
  for (const std::string& name : names) parts.push_back(cast(at(name).tensor(), dtype));
  return stack(parts, 1);
}

Table load_csv(const std::string& path, const CsvOptions& options) {
  const detail::FileBytes file = detail::map_file_unpacked(path);
  return parse_csv(detail::as_text(file.bytes), options, path);
}

Table parse_csv(std::string_view text, const CsvOptions& options, std::string_view name) {
  return detail::naming(name, [&] { return make_table(text, options, name); });
}

Table parse_csv(std::span<const std::byte> bytes, const CsvOptions& options, std::string_view name) {
  return parse_csv(detail::as_text(bytes), options, name);
}

}  // namespace reel
