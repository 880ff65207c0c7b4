// oneDNN's own fused recurrent primitives, as a training program would run them: the side that Reel's
// composed cells are measured against. No oneDNN type shows here; what is measured and how lies in the bench
// programs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace reel::bench {

/// lstm: no peepholes, gates i, f, c~, o. peephole_lstm: with peepholes i, f, o, of which o's sees the new carry. gru: reset before the product. lbr_gru: linear before reset. rnn:
/// tanh. Both GRU forms have gates u, r, o and step h' = u * h + (1 - u) * o.
enum class PeerCell { lstm, peephole_lstm, gru, lbr_gru, rnn };

/// "lstm", "peephole_lstm", "gru", "lbr_gru" or "rnn".
std::string_view name(PeerCell cell);

/// The number of gates G of a cell: 4, 4, 3, 3, 1.
int64_t gates(PeerCell cell);

/// T time steps, N batch, I input size, H hidden size.
struct RecurrentShape {
  int64_t T, N, I, H;
};

/// One layer, left to right, float32, zero initial state. A step is forward() then backward(). Weights start
/// from the plain layouts below and are brought to the layouts that oneDNN chose in every step, because a
/// training program changes them in every step; weight gradients are zeroed, accumulated by oneDNN and
/// brought back to plain layouts. Primitives are made in the constructor for the number of OpenMP threads in
/// force there; keep that number. Throws dnnl::error, a std::exception, where oneDNN refuses.
class OnednnRecurrent {
 public:
  /// Without `training`, forward() is for inference: the weights are brought to oneDNN's layouts once, at the first
  /// call, and there is no backward().
  OnednnRecurrent(PeerCell cell, RecurrentShape shape, bool training = true);
  ~OnednnRecurrent();
  OnednnRecurrent(OnednnRecurrent&&) noexcept;
  OnednnRecurrent& operator=(OnednnRecurrent&&) noexcept;

  /// Computes output(), and keeps what backward() needs.
  void forward();
  /// Computes every gradient below from output_gradient(); forward() must have run.
  void backward();

  std::span<float> input();              ///< [T, N, I]
  std::span<float> input_weights();      ///< [I, G, H]
  std::span<float> recurrent_weights();  ///< [H, G, H]
  std::span<float> bias();       ///< [G, H]; [4, H] for lbr_gru, the last row inside the reset product
  std::span<float> peepholes();  ///< [3, H], of peephole_lstm alone
  std::span<float> peepholes_gradient();  ///< [3, H]
  std::span<float> output();              ///< [T, N, H]

  std::span<float> output_gradient();             ///< [T, N, H], set by the caller
  std::span<float> input_gradient();              ///< [T, N, I]
  std::span<float> input_weights_gradient();      ///< [I, G, H]
  std::span<float> recurrent_weights_gradient();  ///< [H, G, H]
  std::span<float> bias_gradient();               ///< as bias()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// C[m,n] = A[m,k] B[k,n], row-major.
struct Product {
  int64_t m, n, k;
};

/// The best rate in GFLOP/s that dnnl_sgemm reaches on one product, among the calls that fit into `seconds`.
double best_sgemm_gflops(Product product, double seconds = 0.5);

}  // namespace reel::bench
