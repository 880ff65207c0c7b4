// Named tensors in files of the safetensors format: reading and writing. What the names mean is not known
// here.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// Named tensors, in order.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// What a safetensors file holds.
struct SafetensorsFile {
  NamedTensors tensors;                         ///< In the order of the file's header.
  std::map<std::string, std::string> metadata;  ///< The file's "__metadata__".
  std::filesystem::path path;                   ///< Where it was read from.

  bool contains(std::string_view name) const;
  /// The tensor called `name`; throws a FileError that lists the names nearest to it if there is none.
  const Tensor& at(std::string_view name) const;
};

/// Reads a safetensors file. A file that is malformed in any way throws a FileError, before memory is taken
/// for its tensors; so does one with a dtype that Reel does not have.
///
/// The file is mapped and its pages are read as they are used. The tensors keep the mapping alive, and
/// changing them in place does not reach the file. Nobody should write into the file, or cut it off, while
/// they live; to replace it, as save_safetensors does, is safe.
SafetensorsFile load_safetensors(const std::filesystem::path& path);

/// Writes the tensors in the order given, row-major; the same arguments give the same bytes. The file at
/// `path`, or the one that a symbolic link there points to, is replaced when the new one is whole and on the
/// disk: a crash or a failure leaves the old one. Throws Error before anything is written for a name that is
/// empty, not UTF-8, "__metadata__" or given twice, and for an undefined tensor; throws FileError for what
/// the system refuses.
///
/// Readers that map the file want aligned data. Where dtypes are mixed, give the wide ones first;
/// load_safetensors copies those tensors that are not aligned.
void save_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace reel
