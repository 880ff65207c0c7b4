#include "models/data/byte_pair.h"

#include <map>
#include <random>

#include "framework/error.h"
#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {
namespace {

using Codes = std::vector<int64_t>;
using Merges = std::vector<std::pair<int64_t, int64_t>>;

void join(Codes& codes, std::pair<int64_t, int64_t> pair, int64_t joined) {
  Codes result;
  for (size_t i = 0; i < codes.size(); ++i) {
    if (i + 1 < codes.size() && codes[i] == pair.first && codes[i + 1] == pair.second) {
      result.push_back(joined);
      ++i;
    } else {
      result.push_back(codes[i]);
    }
  }
  codes = result;
}

/// Algorithm 1 of the paper as it stands there: everything is counted again for each merge.
Merges learn_by_the_paper(const std::string& text, int64_t merges, int64_t min_count) {
  std::vector<Codes> pieces;
  for (std::string_view piece : byte_pair_pieces(text)) {
    pieces.emplace_back();
    for (char byte : piece) pieces.back().push_back(static_cast<unsigned char>(byte));
  }
  Merges result;
  while (static_cast<int64_t>(result.size()) < merges) {
    std::map<std::pair<int64_t, int64_t>, int64_t> counts;
    for (const Codes& piece : pieces)
      for (size_t i = 0; i + 1 < piece.size(); ++i) ++counts[{piece[i], piece[i + 1]}];
    auto best = counts.begin();
    for (auto at = counts.begin(); at != counts.end(); ++at)
      if (at->second > best->second) best = at;
    if (best == counts.end() || best->second < min_count) break;
    for (Codes& piece : pieces) join(piece, best->first, 256 + static_cast<int64_t>(result.size()));
    result.push_back(best->first);
  }
  return result;
}

std::string random_text(uint32_t seed, size_t size, const std::string& alphabet) {
  std::mt19937 random(seed);
  std::string text;
  for (size_t i = 0; i < size; ++i) text += alphabet[random() % alphabet.size()];
  return text;
}

}  // namespace

TEST_CASE("pieces are the text, cut where nothing is joined", "[byte_pair]") {
  using Pieces = std::vector<std::string_view>;
  CHECK(byte_pair_pieces("Don't  stop 12 caf\u00e9s!\n\n ok") ==
        Pieces{"Don't", " ", " stop", " 12", " caf\u00e9s", "!", "\n\n", " ok"});
  CHECK(byte_pair_pieces("a1b' ' x  ") == Pieces{"a", "1", "b", "'", " '", " x", "  "});
  CHECK(byte_pair_pieces("").empty());
}

TEST_CASE("byte pairs are learnt as in a worked example", "[byte_pair]") {
  // The dictionary of figure 1 of the paper: low 5, lower 2, newest 6, widest 3, each on a line of its own. The pairs
  // e s (9) and s t (9) are equally frequent: the smaller code goes first.
  std::string text;
  for (const auto& [word, count] : {std::pair{"low\n", 5}, {"lower\n", 2}, {"newest\n", 6}, {"widest\n", 3}})
    for (int i = 0; i < count; ++i) text += word;
  const auto tokenizer = BytePairTokenizer::train(text, {.merges = 6});
  // es 9, est 9, lo 7, low 7, then ew, ne, w+est at 6: e and w are the smallest codes, then n and ew.
  const int64_t es = 256, est = 257, lo = 258, ew = 260;
  CHECK(tokenizer.merges() == Merges{{'e', 's'}, {es, 't'}, {'l', 'o'}, {lo, 'w'}, {'e', 'w'}, {'n', ew}});
  CHECK(tokenizer.symbol(est) == "est");
  CHECK(tokenizer.encode("lowest") == Codes{259, est});
  CHECK(tokenizer.size() == 262);
}

TEST_CASE("the quick way to learn merges finds those of the plain one", "[byte_pair]") {
  for (const std::string alphabet : {"ab", "aab ", "abc'1 \n", "\xC3\xA9 x"}) {
    for (uint32_t seed = 1; seed <= 5; ++seed) {
      const std::string text = random_text(seed, 300, alphabet);
      const auto tokenizer = BytePairTokenizer::train(text, {.merges = 60});
      CHECK(tokenizer.merges() == learn_by_the_paper(text, 60, 2));
    }
  }
}

TEST_CASE("encoding applies the merges in the order in which they were learnt", "[byte_pair]") {
  const auto tokenizer = BytePairTokenizer::train(random_text(7, 2000, "aaabc d"), {.merges = 100});
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    const std::string text = random_text(seed, 100, "aaabcd x");
    Codes expected;
    for (std::string_view piece : byte_pair_pieces(text)) {
      Codes codes;
      for (char byte : piece) codes.push_back(static_cast<unsigned char>(byte));
      for (size_t i = 0; i < tokenizer.merges().size(); ++i)
        join(codes, tokenizer.merges()[i], 256 + static_cast<int64_t>(i));
      expected.insert(expected.end(), codes.begin(), codes.end());
    }
    CHECK(tokenizer.encode(text) == expected);
  }
}

TEST_CASE("byte pairs give back any bytes", "[byte_pair]") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const auto tokenizer = BytePairTokenizer::train(random_text(3, 3000, bytes + "the cat  "), {.merges = 50});
  CHECK(tokenizer.merges().size() > 10);
  for (const std::string& text : {std::string(), bytes, random_text(4, 5000, bytes), std::string(5000, 'a')})
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
  CHECK(BytePairTokenizer().encode("\xFF a") == Codes{255, ' ', 'a'});
}

TEST_CASE("one long piece is learnt and encoded in time", "[byte_pair]") {
  const std::string text(1 << 17, 'a');
  const auto tokenizer = BytePairTokenizer::train(text, {.merges = 30});
  // Each merge doubles; no symbol is longer than 65535 bytes. What is left below that goes on being joined.
  CHECK(tokenizer.symbol(256 + 14) == std::string(1 << 15, 'a'));
  for (int64_t code = 0; code < tokenizer.size(); ++code) CHECK(tokenizer.symbol(code).size() <= 65535);
  CHECK(tokenizer.encode(text) == Codes(4, 256 + 14));
}

TEST_CASE("special symbols of byte pairs", "[byte_pair]") {
  const auto tokenizer = BytePairTokenizer::train("aa aa", {.merges = 1, .special = {"<pad>", "<end>"}});
  CHECK(tokenizer.size() == 259);
  CHECK(tokenizer.special("<end>") == 258);
  CHECK(tokenizer.decode(Codes{256, 258}) == "aa");
  CHECK(tokenizer.decode(Codes{256, 258}, true) == "aa<end>");
  CHECK_THROWS_WITH(tokenizer.special("x"), contains_text("no special symbol \"x\""));
  CHECK_THROWS_WITH(tokenizer.decode(Codes{259}), contains_text("259 is no code of a vocabulary of 259"));
  CHECK_THROWS_WITH(BytePairTokenizer::train("", {.merges = -1}), contains_text("merges must be from 0"));
  CHECK_THROWS_WITH(BytePairTokenizer::train("", {.min_count = 0}), contains_text("min_count"));
  CHECK_THROWS_WITH(BytePairTokenizer::train("", {.special = {"a", "b", "a"}}),
                    contains_text("\"a\" is named twice"));
}

TEST_CASE("byte pairs come back from their file, which is read with distrust", "[byte_pair]") {
  const TemporaryFolder folder;
  const std::string path = (folder / "pairs.json").string();
  const std::string text = random_text(9, 1000, "abc d");
  const auto before = BytePairTokenizer::train(text, {.merges = 20, .special = {"\xFF", "<s>"}});
  before.save(path);
  const auto after = BytePairTokenizer::load(path);
  CHECK(after.merges() == before.merges());
  CHECK(after.encode(text) == before.encode(text));
  CHECK(after.special("\xFF") == before.special("\xFF"));

  const auto refused = [](const std::string& merges, const std::string& special, const char* part) {
    const std::string file = R"({"format":"reel.tokenizer.byte_pair","version":1,"merges":)" + merges +
                             R"(,"special":)" + special + "}";
    CHECK_THROWS_AS(BytePairTokenizer::from_json(file), FileError);
    CHECK_THROWS_WITH(BytePairTokenizer::from_json(file),
                      contains_text("tokenizer: ") && contains_text(part));
  };
  refused("[[256,1]]", "[]", "merge 0 joins codes that do not yet exist");
  refused("[[1,2],[1,2]]", "[]", "a merge comes twice");
  refused("[[1,2,3]]", "[]", "merge 0 is no pair of codes");
  refused("[[1,-2]]", "[]", "merge 0 is no pair of codes");
  refused("[[1,[2]]]", "[]", "merge 0 is no pair of codes");
  refused("{}", "[]", "merges must be an array, got object");
  refused("[]", "[\"a\",\"a\"]", "named twice");
  refused("[]", "[\"\"]", "no name");
  std::string doubling = "[[97,97]";  // a symbol of 2^40 bytes
  for (int i = 0; i < 39; ++i)
    doubling += ",[" + std::to_string(256 + i) + "," + std::to_string(256 + i) + "]";
  refused(doubling + "]", "[]", "merge 15 makes a symbol of more than 65535 bytes");
}

}  // namespace reel
