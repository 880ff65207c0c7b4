// Tables from CSV and TSV files: columns of numbers, text and categories.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

enum class ColumnType : uint8_t {
  automatic,  ///< integer if every field is one; else real, if every field is a number or missing; else text.
  integer,    ///< int64. A missing field is an error unless `fill` is given.
  real,       ///< double. A missing field is nan.
  text,       ///< A missing field is the empty text.
  category,   ///< Text, as its number in the list of categories. A missing field is -1.
  ignored,    ///< Read over.
};

struct ColumnOptions {
  ColumnType type = ColumnType::automatic;
  std::optional<int64_t> fill = {};  ///< What a missing field of an integer column becomes.
  /// The list, any other being an error; empty: what occurs, sorted by bytes.
  std::vector<std::string> categories = {};
};

struct CsvOptions {
  char delimiter = ',';  ///< '\t' for TSV.
  char quote = '"';      ///< Set to a byte that does not occur, such as '\1', nothing is quoted.
  bool header = true;    ///< Whether the first row has the columns' names; else they are "0", "1", ...
  std::vector<std::string> names = {};      ///< Other names, as many as there are columns.
  std::vector<std::string> missing = {""};  ///< The fields that stand for no value; empty quotes do not.
  /// By name; those not named are automatic.
  std::vector<std::pair<std::string, ColumnOptions>> columns = {};
};

struct Column {
  std::string name;
  ColumnType type = ColumnType::text;
  std::vector<double> reals;  ///< Of a real column.
  /// Of an integer column; of a category column, the numbers in `categories`.
  std::vector<int64_t> integers;
  std::vector<std::string> texts;       ///< Of a text column.
  std::vector<std::string> categories;  ///< Of a category column.

  /// Integers and categories in int64 [rows], reals in float64 [rows]; throws for text.
  Tensor tensor() const;
};

struct Table {
  int64_t rows = 0;
  std::vector<Column> columns;  ///< In the file's order, without ignored ones.

  bool contains(std::string_view name) const;
  /// Throws an Error that lists the names there are.
  const Column& at(std::string_view name) const;
  /// Columns of numbers side by side: [rows, names], converted to `dtype`, which is floating.
  Tensor matrix(const std::vector<std::string>& names, DType dtype = DType::float32) const;
};

/// Reads a table by the rules of RFC 4180: a field in quotes may hold delimiters, line ends and doubled
/// quotes. Rows end at CR LF, LF or CR; empty lines are passed over; spaces are part of a field, but those
/// around a number; a UTF-8 byte order mark is passed over. A file that is gzip is unpacked. Throws FileError
/// naming the file, and the line and column where there is one, for a row with another number of fields, a
/// quote where none may be or that does not end, a field that is not of the column's type, and two columns of
/// one name; throws Error for options of columns that the file does not have.
Table load_csv(const std::string& path, const CsvOptions& options = {});
/// The same from memory; `name` is what errors begin with.
Table parse_csv(std::span<const std::byte> bytes, const CsvOptions& options = {},
                std::string_view name = "CSV data");
Table parse_csv(std::string_view text, const CsvOptions& options = {}, std::string_view name = "CSV data");

}  // namespace reel
