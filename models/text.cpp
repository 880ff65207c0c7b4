#include "models/text.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

namespace reel::models {
namespace {

/// What follows the label of a verse, or an empty string for a line that is none.
std::string verse_of(const std::string& line) {
  const size_t space = line.find(' ');
  const size_t colon = line.find(':');
  if (space == std::string::npos || colon == std::string::npos || colon > space || colon == 0) return {};
  const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  if (!digit(static_cast<unsigned char>(line[colon - 1])) || colon + 1 == space) return {};
  if (!std::all_of(line.begin() + static_cast<int64_t>(colon) + 1, line.begin() + static_cast<int64_t>(space),
                   digit))
    return {};
  return line.substr(space + 1);
}

}  // namespace

std::string read_text(const std::string& path) {
  check<FileError>(!std::filesystem::is_directory(path), "{}: is a folder", path);
  std::ifstream file(path, std::ios::binary);
  check<FileError>(file.good(), "{}: cannot be read", path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  check<FileError>(!file.bad(), "{}: reading failed", path);
  return text;
}

std::string read_king_james() {
  const char* command = "echo gen1:1-rev22:21 | bible -f 2>/dev/null";
  struct Close {
    void operator()(FILE* pipe) const { pclose(pipe); }
  };
  const std::unique_ptr<FILE, Close> pipe(popen(command, "r"));
  check<FileError>(pipe != nullptr, "bible: the program cannot be started");
  std::string output;
  char buffer[1 << 16];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, pipe.get())) > 0;) output.append(buffer, count);
  std::string text;
  // Before its first prompt the program greets with a verse, which comes again below.
  for (size_t begin = std::min(output.find("\nbible("), output.size()); begin < output.size();) {
    const size_t end = std::min(output.find('\n', begin), output.size());
    const std::string verse = verse_of(output.substr(begin, end - begin));
    if (!verse.empty()) text += verse + "\n";
    begin = end + 1;
  }
  check<FileError>(!text.empty(),
                   "bible: no text came from `bible -f`; install Debian's packages bible-kjv and "
                   "bible-kjv-text, or name a "
                   "text file");
  return text;
}

Vocabulary::Vocabulary(std::string text) : symbols_(std::move(text)) {
  std::sort(symbols_.begin(), symbols_.end());
  symbols_.erase(std::unique(symbols_.begin(), symbols_.end()), symbols_.end());
  check(!symbols_.empty(), "[vocabulary] the text is empty");
}

std::vector<int64_t> Vocabulary::encode(const std::string& text) const {
  std::vector<int64_t> codes;
  codes.reserve(text.size());
  for (char symbol : text) {
    const auto at = std::lower_bound(symbols_.begin(), symbols_.end(), symbol);
    check(at != symbols_.end() && *at == symbol,
          "[vocabulary] the byte {} does not occur in the training text",
          static_cast<int>(static_cast<unsigned char>(symbol)));
    codes.push_back(at - symbols_.begin());
  }
  return codes;
}

}  // namespace reel::models
