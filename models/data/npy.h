// NumPy's files: one array (.npy), or named arrays in a zip archive (.npz); reading and writing.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

struct NpyOptions {
  /// Takes what no tensor has too: float16 as float32; int8, int16, int32, uint16, uint32 and uint64 as
  /// int64, unless a number is beyond it.
  bool convert = false;
};

/// The array in a .npy file of format 1, 2 or 3: float32, float64, int64, uint8 or bool, of either byte
/// order; an array in Fortran's order is rearranged. Anything else, structures and Python objects among it,
/// throws FileError before memory is taken for it. Where possible the file is mapped and read as it is used:
/// nobody should write into it meanwhile, and changing the tensor does not reach it.
Tensor load_npy(const std::string& path, NpyOptions options = {});
/// The same from memory, copied; `name` is what errors begin with.
Tensor parse_npy(std::span<const std::byte> bytes, NpyOptions options = {},
                 std::string_view name = ".npy data");
/// Writes format 1, row-major. Replaces the file when the new one is whole, as save_safetensors does.
void save_npy(const std::string& path, const Tensor& tensor);

/// The arrays of a .npz file by their names, without ".npy", in the archive's order. Throws FileError as
/// load_npy does, and for an archive that is damaged or encrypted, has a file that is no .npy, a name twice,
/// or one that is a path out of the archive ("../x", "/x").
std::vector<std::pair<std::string, Tensor>> load_npz(const std::string& path, NpyOptions options = {});
std::vector<std::pair<std::string, Tensor>> parse_npz(std::span<const std::byte> bytes,
                                                      NpyOptions options = {},
                                                      std::string_view name = ".npz data");

struct NpzOptions {
  bool compress = false;  ///< Deflated, as numpy.savez_compressed does.
};
/// Writes named tensors as numpy.savez does; the same arguments give the same bytes. The archive is put
/// together in memory. Replaces the file when the new one is whole. Throws Error for an undefined tensor, and
/// a name that is empty, not UTF-8, given twice or a path out of the archive.
void save_npz(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
              NpzOptions options = {});

}  // namespace reel
