// Reading a state_dict strictly: everything that is expected, of the right shape and dtype, and nothing else. Internal,
// not part of reel.h.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel::detail {

using State = std::vector<std::pair<std::string, Tensor>>;

inline Tensor number(int64_t value) { return from_vector(std::vector<int64_t>{value}, {}); }
inline Tensor number(double value) { return scalar(value, {.dtype = DType::float64}); }
inline Tensor copied(const Tensor& tensor) {
  Tensor copy = empty_like(tensor);
  copy_values(tensor, copy);
  return copy;
}

class StateReader {
 public:
  /// `who` is named in errors.
  StateReader(std::string who, const State& state);
  bool has(const std::string& key) const { return given_.contains(key); }
  /// The entry, which must have this shape and dtype, and be asked for once.
  Tensor take(const std::string& key, const Shape& shape, DType dtype);
  int64_t take_count(const std::string& key, int64_t least);
  double take_number(const std::string& key) { return take(key, {}, DType::float64).item(); }
  /// Throws where anything is left.
  void finish() const;

 private:
  std::string who_;
  std::map<std::string, Tensor> given_;
};

}  // namespace reel::detail
