// Sums of products of tensors, by Einstein's summation convention.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include <reel/framework/tensor.h>

namespace reel {

/// einsum("bij,bjk->bik", {a, b}): each operand's axes are named by letters; axes of one letter run together, and
/// those that the output does not name are summed over. As torch.einsum:
/// - a letter twice in one operand takes the diagonal;
/// - without "->" the output has the letters that occur once, in the order A..Z, a..z, after the axes of "...";
/// - "..." stands for any number of axes, aligned at the right and broadcast; summed over if the output has none;
/// - axes of one letter must agree in extent, or be 1, which is repeated; spaces do not matter.
/// Floating tensors of one dtype. Operands are multiplied pair by pair, smallest result first, as matrix products.
/// A result may be a view. Throws naming what is wrong in the equation.
Tensor einsum(std::string_view equation, std::span<const Tensor> operands);
Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands);

}  // namespace reel
