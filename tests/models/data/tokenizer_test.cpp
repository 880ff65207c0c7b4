#include "models/data/tokenizer.h"

#include "framework/error.h"
#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {
namespace {

using Codes = std::vector<int64_t>;
using Words = std::vector<std::string>;

Words joined(std::string_view text, InvalidUtf8 invalid) {
  const auto views = characters(text, invalid);
  return {views.begin(), views.end()};
}

/// All bytes, and all pairs with a byte that begins something.
std::string any_bytes() {
  std::string text;
  for (int first : {0x00, 0x41, 0x80, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF})
    for (int second = 0; second < 256; ++second) {
      text += static_cast<char>(first);
      text += static_cast<char>(second);
    }
  return text;
}

}  // namespace

TEST_CASE("UTF-8 comes apart into code points", "[unicode]") {
  CHECK(joined("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", InvalidUtf8::error) ==
        Words{"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"});
  CHECK(code_point_at("\xF0\x9F\x98\x80", 0).value == 0x1F600);
  CHECK(code_point_at("\xE2\x82\xAC", 0).value == 0x20AC);
  CHECK(code_point_at("\xF4\x8F\xBF\xBF", 0).value == 0x10FFFF);
  CHECK(is_utf8("\xED\x9F\xBF"));
  CHECK_FALSE(is_utf8("\xED\xA0\x80"));
  CHECK_THROWS_WITH(joined("ab\xFF", InvalidUtf8::error), contains_text("not UTF-8 at its byte 2"));
}

TEST_CASE("what is not UTF-8 becomes as many U+FFFD as in Python", "[unicode]") {
  // How many replacements bytes.decode("utf-8", "replace") of CPython 3.11 makes.
  const std::vector<std::pair<std::string, size_t>> cases = {
      {"\xFF\xFE", 2}, {"\xE2\x82", 1},         {"\xF0\x9F\x98", 1}, {"\xED\xA0\x80", 3},
      {"\xC0\xAF", 2}, {"\xF4\x90\x80\x80", 4}, {"\xF0\x80\x80", 3}};
  for (const auto& [bytes, count] : cases) {
    Words expected(count, "\xEF\xBF\xBD");
    expected.emplace_back("x");
    CHECK(joined(bytes + "x", InvalidUtf8::replace) == expected);
    CHECK(joined(bytes, InvalidUtf8::keep).size() == bytes.size());
  }
}

TEST_CASE("texts come apart into words", "[unicode]") {
  CHECK(words("Don't stop: it's 3.14, or 1,000!") ==
        Words{"Don't", "stop", ":", "it's", "3.14", ",", "or", "1,000", "!"});
  CHECK(words("'tis the dogs' well-known end...") ==
        Words{"'", "tis", "the", "dogs", "'", "well", "-", "known", "end", ".", ".", "."});
  CHECK(words("l\u2019\u00e9t\u00e9 \u2014 \u00abna\u00efve\u00bb snake_case") ==
        Words{"l\u2019\u00e9t\u00e9", "\u2014", "\u00ab", "na\u00efve", "\u00bb", "snake_case"});
  CHECK(words("\u00dcBER \u00c5ngstr\u00d6m \u00d7 \u0416", {.lower_case = true}) ==
        Words{"\u00fcber", "\u00e5ngstr\u00f6m", "\u00d7", "\u0416"});
  CHECK(words("Yes, (no)!", {.punctuation = false}) == Words{"Yes", "no"});
  CHECK(words("\u6f22\u5b57\u3068\u30ab\u30bf\u3002") ==
        Words{"\u6f22", "\u5b57", "\u3068", "\u30ab\u30bf", "\u3002"});
  CHECK(words("a\u00a0b\u3000c\t\n") == Words{"a", "b", "c"});
  CHECK(words("e\u0301\xFF"
              "f") == Words{"e\u0301", "\xFF", "f"});
  CHECK(words("").empty());
}

TEST_CASE("a character tokenizer gives back any text", "[tokenizer]") {
  const std::string text = "Gr\u00fc\u00dfe, \u4e16\u754c \U0001F600\n" + any_bytes();
  const auto tokenizer = CharacterTokenizer::train(text, {.bos = "<s>"});
  CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  CHECK(tokenizer.decode(tokenizer.encode(text, {.bos = true})) == text);
  CHECK(tokenizer.decode(tokenizer.encode("G", {.bos = true}), true) == "<s>G");
  CHECK(tokenizer.encode("\u00fc\u00df").size() == 2);

  const auto small = CharacterTokenizer::train("aab", {.unk = "\u2047"}, InvalidUtf8::replace);
  CHECK(small.encode("bca\xFF") == Codes{2, 0, 1, 0});
  CHECK(small.decode(Codes{2, 0, 1}) == "b\u2047a");
}

TEST_CASE("a word tokenizer numbers words", "[tokenizer]") {
  const auto tokenizer =
      WordTokenizer::train("The cat. The dog. the end", {.unk = "<unk>"}, {.lower_case = true});
  CHECK(tokenizer.decode(Codes{0, 1, 2, 3, 4, 5}) == "<unk> the . cat dog end");
  CHECK(tokenizer.encode("THE owl.") == Codes{1, 0, 2});
}

TEST_CASE("tokenizers come back from their files", "[tokenizer]") {
  const TemporaryFolder folder;
  const std::string path = (folder / "tokenizer.json").string();
  const auto words_before = WordTokenizer::train("Ein Hund, ein Wort", {.unk = "?", .eos = "."},
                                                 {.lower_case = true, .punctuation = false});
  words_before.save(path);
  const auto words_after = WordTokenizer::load(path);
  CHECK(words_after.encode("EIN, Wort!", {.eos = true}) == words_before.encode("EIN, Wort!", {.eos = true}));
  CHECK(words_after.to_json() == words_before.to_json());
  CHECK_THROWS_WITH(CharacterTokenizer::load(path),
                    contains_text("expected the format reel.tokenizer.character"));

  const auto characters_before = CharacterTokenizer::train(any_bytes(), {}, InvalidUtf8::replace);
  characters_before.save(path);
  CHECK(CharacterTokenizer::load(path).encode("A\xFF") == characters_before.encode("A\xFF"));

  std::string text = characters_before.to_json();
  text.replace(text.find("\"replace\""), 9, "\"discard\"");
  CHECK_THROWS_WITH(CharacterTokenizer::from_json(text), contains_text("tokenizer: invalid must be keep"));
  CHECK_THROWS_AS(WordTokenizer::from_json("{}"), FileError);
}

}  // namespace reel
