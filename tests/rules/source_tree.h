// The project's own source files, as the tests of the house rules read them. The rules stand in the tests.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/reference.h"

namespace reel::rules {

struct SourceFile {
  std::string path;  // from the root of the source tree, with forward slashes
  std::vector<std::string> lines;

  bool is_header() const { return path.ends_with(".h"); }
  std::string place(size_t line_index) const { return path + ":" + std::to_string(line_index + 1) + ": "; }
};

inline SourceFile make_source_file(std::string path, const std::string& text) {
  SourceFile file{std::move(path), {}};
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) file.lines.push_back(line);
  return file;
}

// The folder at the root that `path` lies in; a file at the root is its own folder.
inline std::string_view folder_of(std::string_view path) { return path.substr(0, path.find('/')); }

// Every .h and .cpp file of the tree: those in the seven folders, and reel.h.
inline std::vector<SourceFile> read_source_tree() {
  namespace fs = std::filesystem;
  const fs::path root = reel::source_folder();
  std::vector<fs::path> paths;
  if (fs::exists(root / "reel.h")) paths.push_back(root / "reel.h");
  for (const char* folder : {"framework", "ops", "layers", "optimizers", "models", "tests", "bench"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (entry.is_regular_file() && (path.extension() == ".h" || path.extension() == ".cpp")) {
        paths.push_back(path);
      }
    }
  }
  std::sort(paths.begin(), paths.end());

  std::vector<SourceFile> files;
  for (const fs::path& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    files.push_back(make_source_file(path.lexically_relative(root).generic_string(), text.str()));
  }
  return files;
}

}  // namespace reel::rules
