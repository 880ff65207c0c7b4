#include "layers/check_support.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace reel::detail {

SameRandom::SameRandom() : seed_(default_random().seed()), position_(default_random().position()) {}

SameRandom::~SameRandom() {
  for (const RandomJournal::Entry& entry : journal_.take())
    if (entry.stream) entry.stream->restore(entry.seed, entry.position);
  default_random().restore(seed_, position_);  // which may have been seeded anew since
}

TemporaryFile::TemporaryFile() {
  std::string name = (std::filesystem::temp_directory_path() / "reel-cell-XXXXXX").string();
  const int descriptor = ::mkstemp(name.data());
  check<FileError>(descriptor >= 0, "{}: cannot make a temporary file: {}", name, std::strerror(errno));
  ::close(descriptor);
  path_ = name;
}

TemporaryFile::~TemporaryFile() {
  std::error_code nothing_to_be_done;
  std::filesystem::remove(path_, nothing_to_be_done);
}

namespace {

/// "[1, 2]", or of a sequence "step 1, row 2, column 0".
std::string place_of(const Shape& index, bool sequence) {
  if (!sequence || index.rank() < 2) return index.str();
  std::string text = fmt::format("step {}, row {}", index[0], index[1]);
  for (size_t axis = 2; axis < index.rank(); ++axis)
    text += fmt::format("{}{}", axis == 2 ? ", column " : ", ", index[axis]);
  return text;
}

Shape index_of(const Shape& shape, int64_t flat) {
  Shape index = shape;
  for (size_t axis = index.rank(); axis-- > 0;) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return index;
}

}  // namespace

void Comparison::equal(const Tensor& got, const Tensor& expected, bool sequence, const std::string& what,
                       const std::string& other) {
  if (got.shape() != expected.shape() || got.dtype() != expected.dtype())
    throw Finding{fmt::format("{} is {}, and {} {}", what, text(got), other, text(expected))};
  const auto a = cast_values(got, DType::float64).to_vector<double>();
  const auto b = cast_values(expected, DType::float64).to_vector<double>();
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double error = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
    if (!std::isnan(error)) largest_error = std::max(largest_error, error);
    if (error <= tolerance) continue;
    throw Finding{fmt::format("{} is {:.9g}, first at {}, and {} {:.9g}", what, a[i],
                              place_of(index_of(got.shape(), static_cast<int64_t>(i)), sequence), other,
                              b[i])};
  }
}

}  // namespace reel::detail
