#include "models/data/csv.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>

#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {
namespace {

using Texts = std::vector<std::string>;
using Integers = std::vector<int64_t>;

Table parse(const std::string& text, const CsvOptions& options = {}) {
  return parse_csv(text, options, "a.csv");
}

/// Rows of a table without a header, whose fields are all taken as text.
std::vector<Texts> rows(const std::string& text, CsvOptions options = {}) {
  options.header = false;
  const size_t fields = parse(text, options).columns.size();
  for (size_t i = 0; i < fields; ++i)
    options.columns.push_back({std::to_string(i), {.type = ColumnType::text}});
  const Table table = parse(text, options);
  std::vector<Texts> result(static_cast<size_t>(table.rows));
  for (const Column& column : table.columns)
    for (size_t i = 0; i < result.size(); ++i) result[i].push_back(column.texts.at(i));
  return result;
}

CsvOptions with(const std::string& name, ColumnOptions column) {
  return {.columns = {{name, std::move(column)}}};
}

void refuse(const std::string& text, const std::string& message, const CsvOptions& options = {}) {
  INFO(message);
  CHECK_THROWS_AS(parse(text, options), FileError);
  CHECK_THROWS_WITH(parse(text, options), Catch::Matchers::StartsWith("a.csv: ") && contains_text(message));
}

}  // namespace

TEST_CASE("tables are read by the rules of RFC 4180", "[csv]") {
  const std::vector<Texts> table = {{"aaa", "bbb", "ccc"}, {"zzz", "yyy", "xxx"}};
  CHECK(rows("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n") == table);          // rule 1
  CHECK(rows("aaa,bbb,ccc\r\nzzz,yyy,xxx") == table);              // rule 2: no line end at the end
  CHECK(rows("\"aaa\",\"bbb\",\"ccc\"\r\nzzz,yyy,xxx") == table);  // rule 5
  CHECK(rows(" a ,b\tb, \r\n") ==
        std::vector<Texts>{{" a ", "b\tb", " "}});  // rule 4: spaces are part of a field
  CHECK(rows("aaa,\"b\r\nbb\",ccc\n") == std::vector<Texts>{{"aaa", "b\r\nbb", "ccc"}});      // rule 6
  CHECK(rows("aaa,\"b,\"\"bb\",\"\"\"\"\n") == std::vector<Texts>{{"aaa", "b,\"bb", "\""}});  // rule 7
  CHECK(rows("a,,\n,\"\",c\n") == std::vector<Texts>{{"a", "", ""}, {"", "", "c"}});
  CHECK(rows("a,b\nc,d\n\n\r\n") == std::vector<Texts>{{"a", "b"}, {"c", "d"}});
  CHECK(rows("\xEF\xBB\xBFgröße,b\n") == std::vector<Texts>{{"größe", "b"}});
  CHECK(rows(std::string("a\0b,c\n", 6)) == std::vector<Texts>{{std::string("a\0b", 3), "c"}});
  CHECK(rows("a\tb,\"\tc\n", {.delimiter = '\t', .quote = '\1'}) == std::vector<Texts>{{"a", "b,\"", "c"}});
  const std::string large(100000, 'x');
  CHECK(rows("a,\"" + large + "\"\n") == std::vector<Texts>{{"a", large}});
}

TEST_CASE("columns get the type that all their fields have", "[csv]") {
  const Table table = parse("n,x,gap,word,none\r\n1,2,3,4,\r\n-5,2.5,,b,\r\n+6,1e3, 7 ,c,\r\n");
  CHECK(table.rows == 3);
  CHECK(table.at("n").integers == Integers{1, -5, 6});
  CHECK(table.at("n").type == ColumnType::integer);
  CHECK(table.at("x").reals == std::vector<double>{2, 2.5, 1000});
  CHECK(table.at("gap").reals[0] == 3);
  CHECK(std::isnan(table.at("gap").reals[1]));
  CHECK(table.at("gap").reals[2] == 7);
  CHECK(table.at("word").texts == Texts{"4", "b", "c"});
  CHECK(table.at("none").type == ColumnType::real);
  CHECK(table.contains("x"));
  CHECK_FALSE(table.contains("y"));
  CHECK_THROWS_WITH(
      table.at("y"),
      contains_text("[csv] the table has no column 'y'; it has 'n', 'x', 'gap', 'word', 'none'"));
  CHECK(parse("a,b\n").rows == 0);
  CHECK(parse("x\n9223372036854775807\n9223372036854775808\n").at("x").reals[1] == 0x1p63);
}

TEST_CASE("missing fields are what the column says", "[csv]") {
  const CsvOptions given = {.missing = {"", "NA"},
                            .columns = {{"n", {.type = ColumnType::integer, .fill = -9}},
                                        {"c", {.type = ColumnType::category}},
                                        {"t", {.type = ColumnType::text}}}};
  const Table table = parse("n,x,c,t\n,1,b,NA\nNA,NA,NA,\n3,,a,\"\"\n", given);
  CHECK(table.at("n").integers == Integers{-9, -9, 3});
  CHECK(std::isnan(table.at("x").reals[1]));
  CHECK(std::isnan(table.at("x").reals[2]));
  CHECK(table.at("c").categories == Texts{"a", "b"});
  CHECK(table.at("c").integers == Integers{1, -1, 0});
  CHECK(table.at("t").texts == Texts{"", "", ""});
  refuse("n,m\n1,1\n,2\n",
         "line 3, column 'n': expected an integer; it is missing, and no fill is given, got ''",
         with("n", {.type = ColumnType::integer}));
  CHECK(parse("n,m\n1,1\n,2\n", with("n", {.fill = 0})).at("n").integers == Integers{1, 0});
  refuse("x,y\n\"\",1\n", "line 2, column 'x': expected a number", with("x", {.type = ColumnType::real}));
}

TEST_CASE("categories may be given, so that another file has the same numbers", "[csv]") {
  const CsvOptions options = with("c", {.type = ColumnType::category, .categories = {"sun", "rain"}});
  CHECK(parse("c\nrain\nsun\n", options).at("c").integers == Integers{1, 0});
  refuse("c\nrain\n\"a\nb\"\nfog\n", "line 5, column 'c': expected one of the categories, got 'fog'",
         with("c", {.type = ColumnType::category, .categories = {"rain", "a\nb"}}));
}

TEST_CASE("columns become tensors", "[csv]") {
  const Table table = parse("n,x,t\n1,0.5,a\n2,,b\n");
  CHECK(table.at("n").tensor().to_vector<int64_t>() == Integers{1, 2});
  CHECK(table.at("x").tensor().dtype() == DType::float64);
  const Tensor matrix = table.matrix({"x", "n"});
  CHECK(matrix.shape() == Shape{2, 2});
  const auto values = matrix.to_vector<float>();
  CHECK(values[0] == 0.5F);
  CHECK(values[1] == 1);
  CHECK(std::isnan(values[2]));
  CHECK(values[3] == 2);
  CHECK_THROWS_WITH(table.matrix({"t"}), contains_text("[csv] the column 't' is text"));
  CHECK_THROWS_WITH(table.matrix({"n"}, DType::int64), contains_text("a floating dtype, got int64"));
  CHECK_THROWS_WITH(table.matrix({}), contains_text("got none"));
}

TEST_CASE("names come from the header, the options or the position", "[csv]") {
  CHECK(parse("1,2\n", {.header = false}).at("1").integers == Integers{2});
  CHECK(parse("1,2\n", {.header = false, .names = {"a", "b"}}).at("b").integers == Integers{2});
  CHECK(parse("x,y\n1,2\n", {.names = {"a", "b"}}).at("b").integers == Integers{2});
  CHECK(parse("", {.header = false}).rows == 0);
  const Table part = parse("x,y\n1,oops\n", {.columns = {{"y", {.type = ColumnType::ignored}}}});
  CHECK(part.columns.size() == 1);
  CHECK_THROWS_WITH(parse("x,y\n", {.names = {"a"}}),
                    contains_text("[csv] expected 2 names of columns, got 1"));
  CHECK_THROWS_WITH(parse("x,y\n", with("z", {})),
                    contains_text("[csv] a.csv has no column 'z'; it has 'x', 'y'"));
  CHECK_THROWS_WITH(parse("x\n", {.columns = {{"x", {}}, {"x", {}}}}),
                    contains_text("'x' is given options twice"));
  CHECK_THROWS_WITH(parse("x\n", with("x", {.type = ColumnType::real, .fill = 1})),
                    contains_text("fill is for integers"));
  CHECK_THROWS_WITH(parse("x\n", with("x", {.type = ColumnType::text, .categories = {"a"}})),
                    contains_text("whose type is another"));
  CHECK_THROWS_WITH(parse("x\n", with("x", {.type = ColumnType::category, .categories = {"a", "a"}})),
                    contains_text("not all different"));
  CHECK_THROWS_WITH(parse("x\n", {.delimiter = '"'}), contains_text("a delimiter and a quote that differ"));
}

TEST_CASE("what is no table is refused, with its line", "[csv]") {
  refuse("", "the table is empty, and a header was expected");
  refuse("a,b\n1,2\n3\n", "line 3: expected 2 fields, as in the first row, got 1");
  refuse("a,b\n\"1\n\n\",2\r\n\r\n3,4,5\n", "line 6: expected 2 fields, as in the first row, got 3");
  refuse("a,b\r1\r", "line 2: expected 2 fields");
  refuse("a,b\n1,\"2\n3,4\n", "in the row that begins at line 2");
  refuse("a,b\n1,x\"2\"\n", "line 2: a quote that does not end, or stands where none may be");
  refuse("a,b\n1,\"2\"x\n", "line 2: a quote");
  refuse("a,a\n1,2\n", "two columns are called 'a'");
  refuse("a\n1\n1.5\n", "line 3, column 'a': expected an integer, got '1.5'",
         with("a", {.type = ColumnType::integer}));
  refuse("a\n9223372036854775808\n", "expected an integer", with("a", {.type = ColumnType::integer}));
  for (const std::string field : {"x", "1x", "0x10", "1,5", "--1", "+-1", "1e999", "1 2"}) {
    INFO(field);
    CHECK_THROWS_AS(parse("a\n\"" + field + "\"\n", with("a", {.type = ColumnType::real})), FileError);
  }
  CHECK_THROWS_WITH(load_csv("/nowhere/a.csv"), contains_text("/nowhere/a.csv: cannot open the file"));
}

TEST_CASE("a table comes from the disk", "[csv]") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.csv", "x\n1\n");
  CHECK(load_csv(folder / "a.csv").at("x").integers == Integers{1});
  write_bytes(folder / "a.csv", "x\n1\n2,3\n");
  CHECK_THROWS_WITH(load_csv(folder / "a.csv"),
                    Catch::Matchers::StartsWith((folder / "a.csv").string() + ": line 3"));
}

TEST_CASE("Vega's tables are read", "[csv]") {
  const fs::path folder = "/usr/lib/python3/dist-packages/vega_datasets/_data";
  if (!fs::exists(folder / "seattle-weather.csv")) {
    WARN("skipped: there are no tables of Vega (Debian's package python3-vega-datasets)");
    return;
  }
  const Table weather =
      load_csv(folder / "seattle-weather.csv", {.columns = {{"weather", {.type = ColumnType::category}}}});
  CHECK(weather.rows == 1461);  // the days of 2012 to 2015
  CHECK(weather.at("date").type == ColumnType::text);
  CHECK(weather.at("weather").categories == Texts{"drizzle", "fog", "rain", "snow", "sun"});
  CHECK(weather.matrix({"precipitation", "temp_max", "temp_min", "wind"}).shape() == Shape{1461, 4});
  const Table stocks = load_csv(folder / "stocks.csv");
  CHECK(stocks.at("price").type == ColumnType::real);
  CHECK(stocks.at("symbol").texts.front() == "MSFT");
}

}  // namespace reel
