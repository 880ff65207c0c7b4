// A program outside of the tree, against the installed package: a cell of one's own learns to add up its
// input; ops of one's own have gradients; data comes from files and a loader.
#include <reel/models/data/csv.h>
#include <reel/models/data/loader.h>
#include <reel/models/data/npy.h>
#include <reel/reel.h>

#include <cstdio>
#include <string>

using namespace reel;

struct MinimalGatedCell : Cell {
  Linear xf, hf, xc, hc;
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

struct Adder : Module {
  Recurrent<MinimalGatedCell> rnn{{1, 24}, {.layers = 2}};
  Linear head{24, 1};
  REEL_FIELDS(rnn, head)
  Tensor operator()(const Tensor& x) const { return select(head(select(rnn(x).output, 0, -1)), 1, 0); }
};

/// An elementwise op of one's own: x / sqrt(1 + s x^2), or 0 below 0.
struct Bent {
  static constexpr std::string_view name = "bent";
  double s;
  template <class T> T value(T x) const {
    using std::sqrt;
    return select(x > T(0), x / sqrt(T(1) + T(s) * x * x), T(0));
  }
  template <class T> T slope(T x, T) const {
    using std::pow;
    return select(x > T(0), pow(T(1) + T(s) * x * x, T(-1.5)), T(0));
  }
};

/// A general op of one's own: the product of all elements of a vector without zeros.
struct Product {
  static constexpr std::string_view name = "product";
  TensorSpec shape(Inputs in) const {
    check(in[0].rank() == 1, "[product] expected a vector, got {}", in[0]);
    return {{}, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    double product = 1;
    if (in[0].dtype() == DType::float64)
      for (double x : in[0].to_vector<double>()) product *= x;
    else
      for (float x : in[0].to_vector<float>()) product *= static_cast<double>(x);
    out.fill_(product);
  }
  Saves saves(uint32_t) const { return Saves::input(0) | Saves::output(); }
  void vjp(Backward& b) const { b.set(0, b.grad() * b.output() / b.input(0)); }
};

/// Whether both have the right derivatives of first and second order, beside a formula of the library called by name.
bool own_ops_are_right() {
  const auto f = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{apply(Bent{0.7}, x[0]), apply(Product{}, x[0]), apply(Exp{}, x[0])};
  };
  const std::vector<Tensor> x = {linspace(-2.5, 2.5, 6, {.dtype = DType::float64})};
  const GradcheckResult first = gradcheck(f, x), second = gradgradcheck(f, x);
  std::printf("own ops: %s%s\n", first.message.c_str(), second.message.c_str());
  return first && second;
}

/// Whether a table, an archive and a loader, each of which stands on another library, give what they should.
bool data_is_read(const std::string& path) {
  save_npz(path, {{"x", parse_csv("a,b\n1,2\n3,4\n").matrix({"a", "b"})}}, {.compress = true});
  DataLoader loader(TensorDataset(load_npz(path).at(0).second), {.batch_size = 2, .workers = 2});
  return loader.next()->to_vector<float>() == std::vector<float>{1, 2, 3, 4} && !loader.next();
}

int main(int, char** argv) {
  manual_seed(3);
  Adder net;
  Adam optimizer(net.parameters(), {.lr = 5e-3});
  double first = 0, last = 0;
  for (int step = 0; step < 300; ++step) {
    const Tensor x = rand({10, 32, 1});
    Tape tape;
    const Tensor loss = mean(square(net(x) - select(sum(x, 0), 1, 0)));
    tape.backward(loss);
    clip_grad_norm(net.parameters(), 1.0);
    optimizer.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  std::printf("mean squared error %.4f at first, %.4f at last\n", first, last);

  const std::string path = std::string(argv[0]) + ".safetensors";
  save(net, path);
  Adder other;
  load(other, path);
  const Tensor x = rand({10, 4, 1});
  const bool same = net(x).to_vector<float>() == other(x).to_vector<float>();
  bool refused = false;
  try {
    net(rand({3, 4, 5}));
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
    refused = true;
  }
  // The sum of ten uniform numbers has variance 10/12: what it costs to know nothing but the mean.
  return last < 0.1 && same && refused && own_ops_are_right() && data_is_read(path + ".npz") ? 0 : 1;
}
