// What charlm learns from: a corpus, and a vocabulary of its bytes.
#pragma once

#include <reel/reel.h>

#include <string>
#include <vector>

namespace reel::models {

/// The whole of a file. Throws FileError naming the path.
std::string read_text(const std::string& path);

/// The King James Bible as Debian's package bible-kjv prints it, one verse a line, without its labels
/// ("Ge1:1"). Throws FileError where the program is missing.
std::string read_king_james();

/// The bytes that occur in a text, in ascending order, numbered from 0.
class Vocabulary {
 public:
  explicit Vocabulary(std::string text);
  int64_t size() const { return static_cast<int64_t>(symbols_.size()); }
  const std::string& symbols() const { return symbols_; }
  std::vector<int64_t> encode(
      const std::string& text) const;  ///< Throws on a byte that is not in the vocabulary.
  char symbol(int64_t index) const { return symbols_[static_cast<size_t>(index)]; }

 private:
  std::string symbols_;
};

}  // namespace reel::models
