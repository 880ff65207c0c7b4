#include "models/data/vocabulary.h"

#include "framework/error.h"
#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {
namespace {

using Codes = std::vector<int64_t>;
using Words = std::vector<std::string>;

const Words sentence = {"the", "cat", "and", "the", "dog", "and", "the", "owl"};

}  // namespace

TEST_CASE("a vocabulary orders by count and then by bytes", "[vocabulary]") {
  const Vocabulary vocabulary{SymbolCounts(sentence)};
  CHECK(vocabulary.size() == 5);
  CHECK(vocabulary.decode(Codes{0, 1, 2, 3, 4}) == Words{"the", "and", "cat", "dog", "owl"});
  CHECK(vocabulary.count(0) == 3);
  CHECK(vocabulary.encode(Words{"owl", "the"}) == Codes{4, 0});
  CHECK(vocabulary.pad() == -1);
  // Bytes compare as unsigned: "z" before "é".
  CHECK(Vocabulary(SymbolCounts({"\xC3\xA9", "z"})).symbol(0) == "z");
}

TEST_CASE("special symbols come first and take up what is cut off", "[vocabulary]") {
  const Vocabulary vocabulary(
      SymbolCounts(sentence),
      {.min_count = 2, .pad = "<p>", .unk = "?", .bos = "<s>", .eos = "</s>", .others = {"<mask>"}});
  CHECK(vocabulary.decode(Codes{0, 1, 2, 3, 4, 5, 6}, true) ==
        Words{"<p>", "?", "<s>", "</s>", "<mask>", "the", "and"});
  CHECK(vocabulary.count(vocabulary.unk()) == 3);  // cat, dog, owl
  CHECK(vocabulary.encode(Words{"the", "cat"}, {.bos = true, .eos = true}) == Codes{2, 5, 1, 3});
  CHECK(vocabulary.decode(Codes{0, 2, 5, 1, 3, 4}) == Words{"the", "?"});
  CHECK(vocabulary.special() == 5);
  CHECK(vocabulary.contains("<mask>"));
  CHECK_FALSE(vocabulary.contains("cat"));

  const Vocabulary small(SymbolCounts(sentence), {.max_size = 3, .unk = "and"});
  CHECK(small.decode(Codes{0, 1, 2}, true) == Words{"and", "the", "cat"});
  CHECK(small.count(0) == 4);  // itself twice, dog and owl
}

TEST_CASE("counts add up over parts", "[vocabulary]") {
  SymbolCounts counts(sentence);
  counts.add("dog", 4);
  counts.add("nothing", 0);
  CHECK(counts["dog"] == 5);
  CHECK(counts["nothing"] == 0);
  CHECK(counts.size() == 5);
  CHECK(Vocabulary(counts).symbol(0) == "dog");
}

TEST_CASE("a vocabulary comes back from its file", "[vocabulary]") {
  const TemporaryFolder folder;
  // Bytes that are no text, quotes and zeros.
  const Vocabulary vocabulary(SymbolCounts({"\xFF\xFE", "\"", std::string(1, '\0'), "\xC3\xA9", "\xFF\xFE"}),
                              {.pad = "<p>", .eos = "<e>"});
  const std::string path = (folder / "vocabulary.json").string();
  vocabulary.save(path);
  const Vocabulary loaded = Vocabulary::load(path);
  REQUIRE(loaded.size() == 6);
  for (int64_t code = 0; code < 6; ++code) {
    CHECK(loaded.symbol(code) == vocabulary.symbol(code));
    CHECK(loaded.count(code) == vocabulary.count(code));
    CHECK(loaded.code(vocabulary.symbol(code)) == code);
  }
  CHECK(loaded.symbol(2) == "\xFF\xFE");
  CHECK(loaded.pad() == 0);
  CHECK(loaded.eos() == 1);
  CHECK(loaded.unk() == -1);
  CHECK_THROWS_WITH(Vocabulary::load((folder / "none").string()), contains_text("none: cannot be read"));
}

TEST_CASE("misuse of a vocabulary is refused", "[vocabulary]") {
  const SymbolCounts counts(sentence);
  const auto refused = [&](const VocabularyOptions& options, const char* part) {
    CHECK_THROWS_WITH(Vocabulary(counts, options), contains_text(part));
  };
  refused({.min_count = 0}, "min_count must be at least 1, got 0");
  refused({.max_size = -1}, "max_size must be at least 0, got -1");
  refused({.max_size = 1, .pad = "a", .unk = "b"}, "2 special symbols do not fit into a max_size of 1");
  refused({.pad = "a", .unk = "a"}, "\"a\" is named twice");
  refused({.others = {""}}, "no name");
  const Vocabulary vocabulary(counts);
  CHECK_THROWS_WITH(vocabulary.encode(Words{"cow"}), contains_text("\"cow\" is not in the vocabulary"));
  CHECK_THROWS_WITH(vocabulary.encode(Words{}, {.bos = true}), contains_text("no special symbol bos"));
  CHECK_THROWS_WITH(vocabulary.symbol(5), contains_text("5 is no code of a vocabulary of 5"));
  CHECK_THROWS_WITH(vocabulary.decode(Codes{-1}), contains_text("-1 is no code"));
  CHECK_THROWS_WITH(Vocabulary().code("a"), contains_text("made without counts"));
}

TEST_CASE("a vocabulary's file is read with distrust", "[vocabulary]") {
  const auto refused = [](const std::string& text, const char* part) {
    CHECK_THROWS_AS(Vocabulary::from_json(text), FileError);
    CHECK_THROWS_WITH(Vocabulary::from_json(text), contains_text("vocabulary: ") && contains_text(part));
  };
  const std::string good =
      R"({"format":"reel.vocabulary","version":1,"special":1,"pad":-1,"unk":0,"bos":-1,"eos":-1,)"
      R"("symbols":["?",[255]],"counts":[0,3]})";
  CHECK(Vocabulary::from_json(good).symbol(1) == "\xFF");
  const auto with = [&](const std::string& old, const std::string& replacement) {
    std::string text = good;
    REQUIRE(text.find(old) != std::string::npos);
    return text.replace(text.find(old), old.size(), replacement);
  };
  for (size_t length = 0; length < good.size(); ++length)
    CHECK_THROWS_AS(Vocabulary::from_json(good.substr(0, length)), FileError);
  refused("", "not valid JSON at byte");
  refused("[]", "expected an object, got array");
  refused(good + "x", "not valid JSON");
  refused(with("\"version\":1", "\"version\":2"), "version 2, and this library reads versions up to 1");
  refused(with("\"version\":1", "\"version\":1e999"), "not valid JSON");
  refused(with("\"version\":1", "\"version\":1.5"), "version must be an integer");
  refused(with("\"version\":1", "\"version\":18446744073709551615"), "18446744073709551615");
  refused(with("reel.vocabulary", "other"), "expected the format reel.vocabulary, got other");
  refused(with("\"special\":1", "\"special\":3"), "special must be from 0 to 2, got 3");
  refused(with("\"unk\":0", "\"unk\":1"), "unk must be from -1 to 0");
  refused(with("\"pad\":-1", "\"pad\":0"), "unk must be -1 or 1, got 0");
  refused(with("[255]", "[256]"), "a byte from 0 to 255, got 256");
  refused(with("[255]", "\"?\""), "a symbol comes twice");
  refused(with("[255]", "7"), "a string or an array of bytes, got number");
  refused(with("[0,3]", "[0]"), "2 symbols, but 1 counts");
  refused(with("[0,3]", "[0,-3]"), "a count is no number");
  refused(with("\"counts\"", "\"pad\""), "a key comes twice");
  refused(with("\"counts\"", "\"amounts\""), "counts is missing");
  refused(with("\"counts\"", "\"more\":0,\"counts\""), "has 10 keys, expected 9");
  refused(with("[255]", std::string(100000, '[')), "nested deeper than 6 levels");
}

}  // namespace reel
