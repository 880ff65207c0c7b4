// What a user can do wrong with convolutions, poolings, normalisation and attention.
#include "layers/attention.h"
#include "layers/convolution.h"
#include "layers/normalization.h"
#include "ops/attention.h"
#include "ops/compare.h"
#include "ops/convolution.h"
#include "ops/normalization.h"
#include "ops/pooling.h"
#include "tests/framework/misuse.h"

namespace reel {

TEST_CASE("convolutions of what does not fit", "[misuse]") {
  const Tensor x = ones({2, 4, 5, 5}), w = ones({6, 4, 3, 3}), b = ones({6}), none;
  const Tensor wide = ones({6, 4, 3, 3}, {.dtype = DType::float64}), other = ones({6, 3, 3, 3}),
               n = arange(4);
  refused({x, w}, {"[conv2d]", "4", "2", "float32 [6, 4, 3, 3]", "bias"}, [&] { conv2d(x, w, ones({4})); });
  refused({x, w}, {"[conv1d]", "1 spatial", "[2, 4, 5, 5]"}, [&] { conv1d(x, w, b); });
  refused({x, w}, {"[conv3d]", "3 spatial", "[6, 4, 3, 3]"}, [&] { conv3d(x, w, b); });
  refused({x, n}, {"[conv2d]", "weight", "int64 [4]"}, [&] { conv2d(x, n); });
  refused({x, wide}, {"[conv2d]", "one floating dtype", "float32 [2, 4, 5, 5]", "float64"},
          [&] { conv2d(x, wide); });
  refused({x, other}, {"[conv2d]", "3 channels", "[6, 3, 3, 3]", "[2, 4, 5, 5]"}, [&] { conv2d(x, other); });
  refused({x, w}, {"[conv2d]", "groups", "6", "4"}, [&] { conv2d(x, w, b, {.groups = 4}); });
  refused({x, w}, {"[conv2d]", "groups", "0"}, [&] { conv2d(x, w, b, {.groups = 0}); });
  refused({x, w}, {"[conv2d]", "8 channels", "[2, 4, 5, 5]"}, [&] { conv2d(x, w, b, {.groups = 2}); });
  refused({x, w}, {"[conv2d]", "stride", "[0]"}, [&] { conv2d(x, w, b, {.stride = 0}); });
  refused({x, w}, {"[conv2d]", "stride", "2", "[1, 1, 1]"}, [&] { conv2d(x, w, b, {.stride = {1, 1, 1}}); });
  refused({x, w}, {"[conv2d]", "padding", "[-1]"}, [&] { conv2d(x, w, b, {.padding = -1}); });
  refused({x, w}, {"[conv2d]", "padding_end", "[-2]"}, [&] { conv2d(x, w, b, {.padding_end = -2}); });
  refused({x, w}, {"[conv2d]", "dilation", "[0, 1]"}, [&] { conv2d(x, w, b, {.dilation = {0, 1}}); });
  refused({x, w}, {"[conv2d]", "dilation"}, [&] { conv2d(x, w, b, {.dilation = INT64_MAX}); });
  refused({x, w}, {"[conv2d]", "kernel [3, 3]", "dilation [3, 3]", "input [5, 5]"},
          [&] { conv2d(x, w, b, {.dilation = 3}); });
  refused({x, w}, {"[conv2d]", "same", "stride [2, 2]"},
          [&] { conv2d(x, w, b, {.stride = 2, .same = true}); });
  refused({x, w}, {"[conv2d]", "same", "[1, 1]"}, [&] { conv2d(x, w, b, {.padding = 1, .same = true}); });
  refused({x}, {"[conv2d]", "at least 1", "[6, 4, 0, 3]"}, [&] { conv2d(x, ones({6, 4, 0, 3})); });
  refused({w}, {"[conv2d]", "int64"}, [&] { conv2d(reshape(arange(36), {1, 4, 3, 3}), w); });
  refused({x}, {"undefined"}, [&] { conv2d(x, none); });
  refused({w}, {"undefined"}, [&] { conv2d(none, w); });
  // No memory for what is padded without measure.
  refused({x, w}, {"[conv3d]", "too large"}, [&] {
    conv3d(ones({1, 1, 1, 1, 1}), ones({1, 1, 1, 1, 1}), {}, {.padding = int64_t{1} << 30});
  });
}

TEST_CASE("transposed convolutions of what does not fit", "[misuse]") {
  const Tensor x = ones({2, 4, 5}), w = ones({4, 3, 3}), b = ones({3});
  refused({x, w}, {"[conv_transpose1d]", "bias", "[3]", "[2]"}, [&] { conv_transpose1d(x, w, ones({2})); });
  refused({x, w}, {"[conv_transpose1d]", "3 channels", "[2, 4, 5]"}, [&] {
    conv_transpose1d(x, ones({3, 4, 3}));
  });
  refused({x, w}, {"[conv_transpose1d]", "output_padding", "[2]", "stride [2]"},
          [&] { conv_transpose1d(x, w, b, {.stride = 2, .output_padding = 2}); });
  refused({x, w}, {"[conv_transpose1d]", "nothing is left", "[5]", "[4]"},
          [&] { conv_transpose1d(x, w, b, {.padding = 4}); });
  refused({x, w}, {"[conv_transpose2d]", "2 spatial", "[4, 3, 3]"}, [&] {
    conv_transpose2d(ones({2, 4, 5, 5}), w);
  });
}

TEST_CASE("poolings of what does not fit", "[misuse]") {
  const Tensor x = ones({2, 3, 5, 5}), none;
  refused({x}, {"[max_pool2d]", "kernel", "[0]"}, [&] { max_pool2d(x, 0); });
  refused({x}, {"[max_pool2d]", "kernel", "[1, 2, 3]"}, [&] { max_pool2d(x, {1, 2, 3}); });
  refused({x}, {"[max_pool2d]", "stride", "[0]"}, [&] { max_pool2d(x, 2, {.stride = 0}); });
  refused({x}, {"[max_pool2d]", "half of the kernel [3, 3]", "[2, 2]"},
          [&] { max_pool2d(x, 3, {.padding = 2}); });
  refused({x}, {"[max_pool2d]", "kernel [6, 6]", "input [5, 5]"}, [&] { max_pool2d(x, 6); });
  refused({}, {"[adaptive_avg_pool3d]", "too large"}, [] {
    adaptive_avg_pool3d(ones({1, 1, 1, 1}), int64_t{1} << 30);
  });
  refused({x}, {"[avg_pool1d]", "1 spatial", "[2, 3, 5, 5]"}, [&] { avg_pool1d(x, 2); });
  refused({x}, {"[avg_pool2d]", "divisor", "-1"}, [&] { avg_pool2d(x, 2, {.divisor_override = -1}); });
  refused({x}, {"[adaptive_avg_pool2d]", "output size", "[0]"}, [&] { adaptive_avg_pool2d(x, 0); });
  refused({x}, {"[adaptive_max_pool3d]", "output size", "[1, 2]"}, [&] { adaptive_max_pool3d(x, {1, 2}); });
  refused({}, {"[max_pool1d]", "floating", "int64"}, [&] { max_pool1d(reshape(arange(4), {1, 4}), 2); });
  refused({}, {"[avg_pool1d]", "at least 1", "[2, 0]"}, [&] { avg_pool1d(ones({2, 0}), 2); });
  refused({}, {"undefined"}, [&] { max_pool2d(none, 2); });
}

TEST_CASE("normalisation of what does not fit", "[misuse]") {
  const Tensor x = ones({2, 4, 3}), w = ones({4}), none, mean = zeros({4}), variance = ones({4});
  refused({x}, {"[layer_norm]", "[4]", "[2, 4, 3]"}, [&] { layer_norm(x, {4}); });
  refused({x}, {"[layer_norm]", "[]"}, [&] { layer_norm(x, {}); });
  refused({x, w}, {"[layer_norm]", "weight", "[3]", "[4]"}, [&] { layer_norm(x, {3}, w); });
  refused({x, w}, {"[layer_norm]", "bias", "[3]", "[4]"}, [&] { layer_norm(x, {3}, {}, w); });
  refused({x, w}, {"[rms_norm]", "weight", "[3]", "[4]"}, [&] { rms_norm(x, {3}, w); });
  refused({}, {"[rms_norm]", "floating", "int64"}, [&] { rms_norm(arange(3), {3}); });
  refused({x}, {"[group_norm]", "4 channels", "3"}, [&] { group_norm(x, 3); });
  refused({x}, {"[group_norm]", "weight", "[4]", "[3]"}, [&] { group_norm(x, 2, ones({3})); });
  refused({}, {"[instance_norm]", "more than one", "[2, 4]"}, [&] { instance_norm(ones({2, 4})); });
  refused({x, mean, variance}, {"[batch_norm]", "running", "[2, 4, 3]"},
          [&] { batch_norm(x, none, variance); });
  refused({x, mean, variance}, {"[batch_norm]", "running_var", "[4]", "[3]"},
          [&] { batch_norm(x, mean, ones({3})); });
  refused({mean, variance}, {"[batch_norm]", "more than one", "[1, 4]"}, [&] {
    batch_norm(ones({1, 4}), mean, variance, {}, {}, {.training = true});
  });
  refused({x, mean, variance}, {"[batch_norm]", "bias", "[4]", "[3]"},
          [&] { batch_norm(x, mean, variance, {}, ones({3}), {.training = true}); });
  refused({}, {"[batch_norm]", "[N, C, ...]", "[4]"}, [&] { batch_norm(w, mean, variance); });
  refused({}, {"undefined"}, [&] { layer_norm(none, {3}); });
}

TEST_CASE("attention of what does not fit", "[misuse]") {
  const Tensor q = ones({2, 3, 4}), k = ones({2, 5, 4}), v = ones({2, 5, 6}), none;
  const char* op = "[scaled_dot_product_attention]";
  refused({q, k, v}, {op, "[2, 3, 4]", "[2, 5, 6]"}, [&] { scaled_dot_product_attention(q, v, v); });
  refused({q, k, v}, {op, "[2, 5, 4]", "[2, 3, 4]"}, [&] { scaled_dot_product_attention(q, k, q); });
  refused({q, k}, {op, "[3, 5, 4]", "[2, 3, 4]"}, [&] {
    scaled_dot_product_attention(q, ones({3, 5, 4}), v);
  });
  refused({q, k, v}, {op, "one floating dtype", "float64"}, [&] {
    scaled_dot_product_attention(q, k, ones({2, 5, 6}, {.dtype = DType::float64}));
  });
  refused({q, k, v}, {op, "mask", "[3, 4]", "[2, 3, 5]"}, [&] {
    scaled_dot_product_attention(q, k, v, {.mask = ones({3, 4})});
  });
  refused({q, k, v}, {op, "mask", "bool", "int64 [5]"},
          [&] { scaled_dot_product_attention(q, k, v, {.mask = arange(5)}); });
  refused({q, k, v}, {op, "probability", "1.5"},
          [&] { scaled_dot_product_attention(q, k, v, {.dropout_p = 1.5}); });
  refused({q, k}, {"undefined"}, [&] { scaled_dot_product_attention(q, k, none); });
}

TEST_CASE("layers of networks that cannot be, and inputs that do not fit", "[misuse]") {
  refused({}, {"[Conv2d]", "in 0"}, [] { Conv2d(0, 2, 3); });
  refused({}, {"[Conv1d]", "groups", "in 3", "2"}, [] { Conv1d(3, 4, 3, {.groups = 2}); });
  refused({}, {"[Conv3d]", "kernel", "[0]"}, [] { Conv3d(1, 1, 0); });
  refused({}, {"[ConvTranspose2d]", "stride", "[1, 2, 3]"}, [] {
    ConvTranspose2d(1, 1, 2, {.stride = {1, 2, 3}});
  });
  refused({}, {"[conv2d]", "3 channels", "[1, 2, 4, 4]"}, [] { Conv2d(3, 2, 3)(ones({1, 2, 4, 4})); });
  refused({}, {"[BatchNorm2d]", "0"}, [] { BatchNorm2d(0); });
  refused({}, {"[BatchNorm2d]", "4 axes", "[2, 3]"}, [] { BatchNorm2d(3)(ones({2, 3})); });
  refused({}, {"[BatchNorm1d]", "2 or 3 axes", "[3]"}, [] { BatchNorm1d(3)(ones({3})); });
  const BatchNorm1d norm(3);
  refused({norm.running_mean.value, norm.num_batches_tracked.value},
          {"[BatchNorm1d]", "3 channels", "[2, 4]"}, [&] {
            norm(ones({2, 4}));
          });
  refused({}, {"[GroupNorm]", "3 groups", "4 channels"}, [] { GroupNorm(3, 4); });
  refused({}, {"[GroupNorm]", "[N, 4, ...]", "[2, 3]"}, [] { GroupNorm(2, 4)(ones({2, 3})); });
  refused({}, {"[RMSNorm]", "[0]"}, [] { RMSNorm(0); });
  refused({}, {"[MultiHeadAttention]", "width 4", "heads 3"}, [] { MultiHeadAttention(4, 3); });
  const MultiHeadAttention attention(4, 2);
  const Tensor x = ones({3, 2, 4});
  refused({x}, {"[MultiHeadAttention]", "widths 4", "[3, 2, 5]"}, [&] { attention(x, ones({3, 2, 5}), x); });
  refused({x}, {"[MultiHeadAttention]", "one batch", "[3, 1, 4]"}, [&] { attention(x, ones({3, 1, 4}), x); });
  refused({x}, {"[MultiHeadAttention]", "mask", "[3, 3]", "[2, 2]"}, [&] {
    attention(x, x, x, {.mask = ones({2, 2})});
  });
  refused({x}, {"[MultiHeadAttention]", "keys", "bool [2, 3]", "[3, 2]"}, [&] {
    attention(x, x, x, {.keys = greater(ones({3, 2}), 0)});
  });
  refused({x}, {"[MultiHeadAttention]", "3 axes", "[2]"}, [&] { attention(ones({2}), x, x); });
}

}  // namespace reel
