// check_cell: does a recurrent cell keep the promises that layers, training and saving rely on? For the tests of
// whoever writes a cell.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <reel/layers/cell.h>

namespace reel {

/// Sizes of the sequences that a cell is checked on. Small ones: gradients are checked element by element.
struct CheckSizes {
  int64_t input;       ///< Columns of x, or channels where there are `extents`.
  int64_t hidden;      ///< For Linear fields without sizes, and states that begin with zeros [N, hidden].
  int64_t batch = 3;   ///< N, at least 2.
  int64_t steps = 4;   ///< T, at least 2.
  Shape extents = {};  ///< Further axes of x, of images say: x is [N, input, extents...].
};

/// One promise, and whether it is kept.
struct CellCheck {
  std::string name;  ///< "gradients", "batch equals rows", ...
  bool passed = true;
  double largest_error = 0;  ///< Relative, above 1: |got - expected| / max(1, |expected|).
  std::string message;       ///< What failed, in words; or a remark.
};

struct CellReport {
  std::vector<CellCheck> checks;  ///< Those that were made: where a cell does not even run, the first alone.

  bool passed() const;
  std::string text() const;  ///< A line for each.
  explicit operator bool() const { return passed(); }
};

namespace detail {

/// A cell without its type.
struct CellType {
  std::shared_ptr<Cell> (*copy)(const Cell& cell);
  StepFunction (*step_function)(const Cell& cell);
  std::vector<Tensor> (*initial_state)(const Cell& cell, int64_t batch, int64_t hidden, DType dtype);

  template <class C> static CellType of() {
    return {[](const Cell& cell) -> std::shared_ptr<Cell> {
              return std::make_shared<C>(static_cast<const C&>(cell));
            },
            [](const Cell& cell) { return detail::step_function(static_cast<const C&>(cell)); },
            [](const Cell& cell, int64_t batch, int64_t hidden, DType dtype) {
              return tensors_of(reel::initial_state(static_cast<const C&>(cell), batch, hidden, dtype));
            }};
  }
};

CellReport check_cell(const Cell& cell, const CellType& type, const CheckSizes& sizes);

}  // namespace detail

/// Tries the cell on random sequences, with the parameters that it has:
///   steps run               step() works in float32, keeps the state's shapes and changes nothing that it is given
///   runs alike twice        the same sequence and random numbers give the same bits: nothing is kept but the state
///   save and load           all that step() trains is among the fields; a cell that loads the file gives the same bits
///   train and eval          both run, and eval draws no random numbers
///   float64                 step() works in float64, once to() has converted the cell
///   float32 near float64    values and gradients
///   gradients               against central differences, in float64; of x, the state and every parameter
///   second gradients        the same
///   steps equal sequence    step() by hand, scan(), and scan() in two parts
///   batch equals rows       each row alone gives what it gives in the batch; values and gradients. In training mode
///                           only of a cell that draws no random numbers
///   padding changes nothing rows of different lengths in one batch, in both directions, against each alone
///   compiled equals eager   values, gradients and second gradients, in both directions
/// A cell that throws has failed. Works on copies: nothing in `cell` changes, and random streams are put back.
/// Throws an Error for sizes that are too small, and for an object of a class derived from C.
template <RecurrentCell C> CellReport check_cell(const C& cell, const CheckSizes& sizes) {
  static_assert(std::copy_constructible<C>, "check_cell works on copies of the cell, and this one has none");
  check(typeid(cell) == typeid(C),
        "[check_cell] the cell is of a class derived from the one it was given as: give it as what it is");
  return detail::check_cell(cell, detail::CellType::of<C>(), sizes);
}

}  // namespace reel
