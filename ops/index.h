// NumPy's advanced indexing, by tensors and masks along several axes: reading, and writing into a new tensor.
#pragma once

#include <concepts>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// What stands for one axis, or for as many as a mask has.
class Index {
 public:
  struct All {};
  /// The whole axis, Python's ":".
  static constexpr All all{};

  Index(All) : is_all_(true) {}  // NOLINT(google-explicit-constructor): index(x, {Index::all, rows})
  /// int64 places, negative ones counting from the end, or a bool mask of the extents of the axes it stands for.
  Index(Tensor places) : places_(std::move(places)) {}  // NOLINT(google-explicit-constructor): likewise
  template <std::integral T>
  requires(!std::same_as<T, bool>)  //
      Index(T place)                // NOLINT(google-explicit-constructor): likewise
      : places_(full({}, static_cast<double>(place), {.dtype = DType::int64})) {}

  bool is_all() const { return is_all_; }
  const Tensor& places() const { return places_; }

 private:
  bool is_all_ = false;
  Tensor places_;
};

/// x[items]: one item for each axis from the first on, missing ones are whole axes. The tensors broadcast together to
/// one shape B, and masks count as the indices of their true elements. B takes the place of the axes that were indexed
/// where these lie side by side, else it comes first, as in NumPy. Throws on an index out of range, with its position.
Tensor index(const Tensor& x, const std::vector<Index>& items);

struct IndexPutOptions {
  bool accumulate = false;  ///< Add to what is there, several values for one place together.
};
/// x with x[items] replaced by `values`, which broadcast to its shape. Of several values for one place the last stays,
/// and takes the gradient alone.
Tensor index_put(const Tensor& x, const std::vector<Index>& items, const Tensor& values,
                 const IndexPutOptions& options = {});

/// The elements of x where `mask` (bool) is true, in row-major order, along one axis; the two broadcast.
Tensor masked_select(const Tensor& x, const Tensor& mask);
/// x with its elements where `mask` is true, which broadcasts to x, replaced by the first elements of `source`, both in
/// row-major order. Throws where the source has too few.
Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source);

}  // namespace reel
