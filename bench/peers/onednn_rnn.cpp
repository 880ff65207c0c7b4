#include "bench/peers/onednn_rnn.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

namespace reel::bench {
namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

constexpr auto direction = dnnl::rnn_direction::unidirectional_left2right;
const memory::desc none;  // for a final state that nobody asks for

memory::desc plain(const memory::dims& dims, memory::format_tag tag) {
  return {dims, memory::data_type::f32, tag};
}

memory::desc any(const memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  return {desc.get_dims(), memory::data_type::f32, memory::format_tag::any};
#else
  return {desc.dims(), memory::data_type::f32, memory::format_tag::any};
#endif
}

template <class Primitive, class... Args>
auto describe_forward(const dnnl::engine& engine, bool training, const Args&... args) {
  const auto kind = training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, kind, args...);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(kind, args...), engine);
#endif
}

template <class Primitive, class Forward, class... Args>
auto describe_backward(const dnnl::engine& engine, const Forward& forward, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, dnnl::prop_kind::backward, args..., forward);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(dnnl::prop_kind::backward, args...),
                                            engine, forward);
#endif
}

float* data(const memory& m) { return static_cast<float*>(m.get_data_handle()); }

std::span<float> values(const memory& m) {
  if (!m) return {};
  return {data(m), m.get_desc().get_size() / sizeof(float)};
}

void clear(const memory& m) {
  auto* bytes = static_cast<char*>(m.get_data_handle());
  const auto size = static_cast<int64_t>(m.get_desc().get_size());
  constexpr int64_t piece = 1 << 16;
#pragma omp parallel for if (size > 4 * piece)
  for (int64_t begin = 0; begin < size; begin += piece)
    std::memset(bytes + begin, 0, static_cast<size_t>(std::min(piece, size - begin)));
}

/// The same values in another layout; `to` is `from` itself where the layouts are equal.
class Relayout {
 public:
  Relayout() = default;
  Relayout(const memory& from, const memory& to) : from_(from), to_(to) {
    if (from.get() != to.get()) reorder_ = dnnl::reorder(from, to);
  }
  void run(dnnl::stream& stream) {
    if (reorder_) reorder_.execute(stream, from_, to_);
  }

 private:
  memory from_, to_;
  dnnl::reorder reorder_;
};

}  // namespace

std::string_view name(PeerCell cell) {
  switch (cell) {
    case PeerCell::lstm:
      return "lstm";
    case PeerCell::peephole_lstm:
      return "peephole_lstm";
    case PeerCell::gru:
      return "gru";
    case PeerCell::lbr_gru:
      return "lbr_gru";
    case PeerCell::rnn:
      return "rnn";
  }
  return "?";
}

int64_t gates(PeerCell cell) {
  switch (cell) {
    case PeerCell::lstm:
    case PeerCell::peephole_lstm:
      return 4;
    case PeerCell::gru:
    case PeerCell::lbr_gru:
      return 3;
    case PeerCell::rnn:
      return 1;
  }
  return 0;
}

struct OnednnRecurrent::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

  memory x, wx, wh, b, y;       // plain layouts, the user's own
  memory dx, dwx, dwh, db, dy;  // likewise
  // The initial state is zero, and yet given: without one, the LSTM and RNN of oneDNN 2.6 and 3.2 take the
  // gradient of the recurrent weights from h[t] where it is h[t-1] that was multiplied.
  memory h, c, dh, dc;
  memory p, dp;  // peepholes
  memory workspace;
  bool training, packed_once = false;
  dnnl::primitive forward, backward;
  Arguments forward_arguments, backward_arguments;
  std::vector<Relayout> before_forward, before_backward, after_backward;
  std::vector<memory> accumulated;  // what backward adds to

  Impl(PeerCell cell, RecurrentShape s, bool for_training) : training(for_training) {
    using tag = memory::format_tag;
    const int64_t G = gates(cell);
    const auto pair = [this](memory& values, memory& gradients, const memory::desc& desc) {
      for (memory* m : {&values, &gradients}) {
        *m = memory(desc, engine);
        clear(*m);
      }
    };
    pair(x, dx, plain({s.T, s.N, s.I}, tag::tnc));
    pair(wx, dwx, plain({1, 1, s.I, G, s.H}, tag::ldigo));
    pair(wh, dwh, plain({1, 1, s.H, G, s.H}, tag::ldigo));
    pair(b, db, plain({1, 1, cell == PeerCell::lbr_gru ? G + 1 : G, s.H}, tag::ldgo));
    pair(y, dy, plain({s.T, s.N, s.H}, tag::tnc));
    pair(h, dh, plain({1, 1, s.N, s.H}, tag::ldnc));
    pair(c, dc, h.get_desc());
    if (cell == PeerCell::peephole_lstm) pair(p, dp, plain({1, 1, 3, s.H}, tag::ldgo));
    switch (cell) {
      case PeerCell::lstm:
        make_lstm();
        break;
      case PeerCell::peephole_lstm:
        make_lstm(p.get_desc());
        forward_arguments[DNNL_ARG_WEIGHTS_PEEPHOLE] = backward_arguments[DNNL_ARG_WEIGHTS_PEEPHOLE] = p;
        backward_arguments[DNNL_ARG_DIFF_WEIGHTS_PEEPHOLE] = dp;
        accumulated.push_back(dp);
        break;
      case PeerCell::gru:
        make<dnnl::gru_forward, dnnl::gru_backward>();
        break;
      case PeerCell::lbr_gru:
        make<dnnl::lbr_gru_forward, dnnl::lbr_gru_backward>();
        break;
      case PeerCell::rnn:
        make<dnnl::vanilla_rnn_forward, dnnl::vanilla_rnn_backward>(dnnl::algorithm::eltwise_tanh);
        break;
    }
  }

  template <class Forward, class Backward, class... Activation> void make(Activation... activation) {
    const memory::desc xs = x.get_desc(), hs = h.get_desc(), bs = b.get_desc(), ys = y.get_desc();
    const memory::desc wxs = any(wx.get_desc()), whs = any(wh.get_desc());
    const auto f =
        describe_forward<Forward>(engine, training, activation..., direction, xs, hs, wxs, whs, bs, ys, none);
    if (!training) return connect_forward<Forward>(f);
    connect<Forward, Backward>(
        f, describe_backward<Backward>(engine, f, activation..., direction, xs, hs, wxs, whs, bs, ys, none,
                                       xs, hs, wxs, whs, bs, ys, none));
  }

  /// `peephole`: the descriptor of these weights, or none.
  template <class... Peephole> void make_lstm(const Peephole&... peephole) {
    const memory::desc xs = x.get_desc(), hs = h.get_desc(), bs = b.get_desc(), ys = y.get_desc();
    const memory::desc wxs = any(wx.get_desc()), whs = any(wh.get_desc());
    const auto f = describe_forward<dnnl::lstm_forward>(engine, training, direction, xs, hs, hs, wxs, whs,
                                                        peephole..., bs, ys, none, none);
    if (training)
      connect<dnnl::lstm_forward, dnnl::lstm_backward>(
          f, describe_backward<dnnl::lstm_backward>(engine, f, direction, xs, hs, hs, wxs, whs, peephole...,
                                                    bs, ys, none, none, xs, hs, hs, wxs, whs, peephole..., bs,
                                                    ys, none, none));
    else
      connect_forward<dnnl::lstm_forward>(f);
    forward_arguments[DNNL_ARG_SRC_ITER_C] = backward_arguments[DNNL_ARG_SRC_ITER_C] = c;
    backward_arguments[DNNL_ARG_DIFF_SRC_ITER_C] = dc;
  }

  template <class Forward> void connect_forward(const typename Forward::primitive_desc& f) {
    if (training) workspace = memory(f.workspace_desc(), engine);
    forward = Forward(f);
    forward_arguments = {{DNNL_ARG_SRC_LAYER, x},
                         {DNNL_ARG_SRC_ITER, h},
                         {DNNL_ARG_WEIGHTS_LAYER, packed(wx, f.weights_layer_desc(), before_forward)},
                         {DNNL_ARG_WEIGHTS_ITER, packed(wh, f.weights_iter_desc(), before_forward)},
                         {DNNL_ARG_BIAS, b},
                         {DNNL_ARG_DST_LAYER, y}};
    if (training) forward_arguments[DNNL_ARG_WORKSPACE] = workspace;
  }

  template <class Forward, class Backward>
  void connect(const typename Forward::primitive_desc& f, const typename Backward::primitive_desc& r) {
    connect_forward<Forward>(f);
    backward = Backward(r);
    backward_arguments = {{DNNL_ARG_SRC_LAYER, x},
                          {DNNL_ARG_SRC_ITER, h},
                          {DNNL_ARG_WEIGHTS_LAYER, packed(wx, r.weights_layer_desc(), before_backward)},
                          {DNNL_ARG_WEIGHTS_ITER, packed(wh, r.weights_iter_desc(), before_backward)},
                          {DNNL_ARG_BIAS, b},
                          {DNNL_ARG_DST_LAYER, y},
                          {DNNL_ARG_WORKSPACE, workspace},
                          {DNNL_ARG_DIFF_SRC_LAYER, dx},
                          {DNNL_ARG_DIFF_SRC_ITER, dh},
                          {DNNL_ARG_DIFF_WEIGHTS_LAYER, gradient(dwx, r.diff_weights_layer_desc())},
                          {DNNL_ARG_DIFF_WEIGHTS_ITER, gradient(dwh, r.diff_weights_iter_desc())},
                          {DNNL_ARG_DIFF_BIAS, db},
                          {DNNL_ARG_DIFF_DST_LAYER, dy}};
    accumulated.push_back(db);
  }

  memory packed(const memory& user, const memory::desc& wanted, std::vector<Relayout>& when) const {
    memory own = wanted == user.get_desc() ? user : memory(wanted, engine);
    when.emplace_back(user, own);
    return own;
  }

  memory gradient(const memory& user, const memory::desc& wanted) {
    memory own = wanted == user.get_desc() ? user : memory(wanted, engine);
    accumulated.push_back(own);
    after_backward.emplace_back(own, user);
    return own;
  }
};

OnednnRecurrent::OnednnRecurrent(PeerCell cell, RecurrentShape shape, bool training)
    : impl_(std::make_unique<Impl>(cell, shape, training)) {}
OnednnRecurrent::~OnednnRecurrent() = default;
OnednnRecurrent::OnednnRecurrent(OnednnRecurrent&&) noexcept = default;
OnednnRecurrent& OnednnRecurrent::operator=(OnednnRecurrent&&) noexcept = default;

void OnednnRecurrent::forward() {
  if (impl_->training || !impl_->packed_once)
    for (Relayout& relayout : impl_->before_forward) relayout.run(impl_->stream);
  impl_->packed_once = true;
  impl_->forward.execute(impl_->stream, impl_->forward_arguments);
  impl_->stream.wait();
}

void OnednnRecurrent::backward() {
  for (Relayout& relayout : impl_->before_backward) relayout.run(impl_->stream);
  for (const memory& m : impl_->accumulated) clear(m);
  impl_->backward.execute(impl_->stream, impl_->backward_arguments);
  for (Relayout& relayout : impl_->after_backward) relayout.run(impl_->stream);
  impl_->stream.wait();
}

std::span<float> OnednnRecurrent::input() { return values(impl_->x); }
std::span<float> OnednnRecurrent::input_weights() { return values(impl_->wx); }
std::span<float> OnednnRecurrent::recurrent_weights() { return values(impl_->wh); }
std::span<float> OnednnRecurrent::bias() { return values(impl_->b); }
std::span<float> OnednnRecurrent::peepholes() { return values(impl_->p); }
std::span<float> OnednnRecurrent::peepholes_gradient() { return values(impl_->dp); }
std::span<float> OnednnRecurrent::output() { return values(impl_->y); }
std::span<float> OnednnRecurrent::output_gradient() { return values(impl_->dy); }
std::span<float> OnednnRecurrent::input_gradient() { return values(impl_->dx); }
std::span<float> OnednnRecurrent::input_weights_gradient() { return values(impl_->dwx); }
std::span<float> OnednnRecurrent::recurrent_weights_gradient() { return values(impl_->dwh); }
std::span<float> OnednnRecurrent::bias_gradient() { return values(impl_->db); }

double best_sgemm_gflops(Product p, double seconds) {
  using clock = std::chrono::steady_clock;
  const auto matrix = [](int64_t rows, int64_t columns) {
    return std::vector<float>(static_cast<size_t>(rows * columns), 0.5F);
  };
  const std::vector<float> a = matrix(p.m, p.k), b = matrix(p.k, p.n);
  std::vector<float> c = matrix(p.m, p.n);
  const double flops = 2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  const int calls = std::max(1, static_cast<int>(2e8 / flops));  // about 2 ms, well above the clock's grain
  double best = 0;
  const auto start = clock::now();
  do {
    const auto before = clock::now();
    for (int i = 0; i < calls; ++i)
      dnnl::sgemm('N', 'N', p.m, p.n, p.k, 1.0F, a.data(), p.k, b.data(), p.n, 0.0F, c.data(), p.n);
    const std::chrono::duration<double> elapsed = clock::now() - before;
    best = std::max(best, flops * calls / elapsed.count() * 1e-9);
  } while (std::chrono::duration<double>(clock::now() - start).count() < seconds);
  return best;
}

}  // namespace reel::bench
