// How close do eager elementwise ops, reductions and products come to what the machine can do? Elementwise ops and
// reductions are set beside a memcpy that moves as many bytes in all (reads and writes together) as the op must
// read and write; operands that broadcast or are transposed beside the same op on plain ones; products of
// recurrent nets beside dnnl_sgemm called directly.
#include <fmt/core.h>
#include <oneapi/dnnl/dnnl.h>
#include <reel/reel.h>

#include <cstring>
#include <memory>

#include "bench/harness.h"

namespace reel::bench {
namespace {

using Call = std::function<void()>;

struct Row {
  std::string what;
  std::string beside;
  double target;  // time over the time of what it is set beside; 0: for information
  Call ours;
  Call theirs;
};

/// Copies half of `bytes`, which moves `bytes`.
Call moving(double bytes) {
  const auto half = static_cast<size_t>(bytes / 2);
  auto from = std::make_shared<std::vector<char>>(half, 'a');
  auto to = std::make_shared<std::vector<char>>(half, 'b');
  return [from, to, half] {
    std::memcpy(to->data(), from->data(), half);
    asm volatile("" : : "r"(to->data()) : "memory");
  };
}

/// The walk back alone over y = f(xs), whose list is kept. Opens its tape when it is first called, and has inputs of
/// its own: as long as it lives, what they go into is recorded.
template <class F> Call backward_of(const std::vector<Tensor>& inputs, F f) {
  struct Kept {
    Tape tape;
    std::vector<Tensor> xs;
    Tensor y, above;
  };
  return [inputs, f, kept = std::shared_ptr<Kept>()]() mutable {
    if (!kept) {
      kept = std::make_shared<Kept>();
      for (const Tensor& x : inputs) kept->xs.push_back(detach(x));
      for (const Tensor& x : kept->xs) kept->tape.watch(x);
      kept->y = f(kept->xs);
      kept->above = full(kept->y.shape(), 0.5);
    }
    kept->tape.gradient(kept->y, kept->xs, {.gradient = kept->above, .retain_graph = true});
  };
}

void add_elementwise(std::vector<Row>& rows, int64_t side) {
  const double pass = static_cast<double>(side * side) * 4;  // bytes of one tensor
  const Tensor a = uniform({side, side}, -3, 3), b = uniform({side, side}, -3, 3), positive = exp(a);
  const auto beside_copy = [&](std::string what, double passes, double target, Call ours) {
    rows.push_back({std::move(what), fmt::format("memcpy of {:g} x", passes / 2), target, std::move(ours),
                    moving(passes * pass)});
  };
  beside_copy("add", 3, 1.15, [=] { a + b; });
  beside_copy("mul", 3, 1.15, [=] { a* b; });
  beside_copy("add a scalar", 2, 1.15, [=] { a + 2.0; });
  beside_copy("sum", 1, 1.15, [=] { sum(a); });
  beside_copy("max", 1, 1.15, [=] { max(a); });
  beside_copy("sum over rows", 1, 1.15, [=] { sum(a, 0); });
  beside_copy("sum over columns", 1, 1.15, [=] { sum(a, 1); });
  beside_copy("max over rows", 1, 1.15, [=] { max(a, 0); });
  beside_copy("max over columns", 1, 1.15, [=] { max(a, 1); });
  beside_copy("exp", 2, 2, [=] { exp(a); });
  beside_copy("tanh", 2, 2, [=] { tanh(a); });
  beside_copy("sigmoid", 2, 2, [=] { sigmoid(a); });
  beside_copy("log", 2, 0, [=] { log(positive); });
  beside_copy("backward of mul", 6, 1.15, backward_of({a, b}, [](const auto& x) { return x[0] * x[1]; }));
  beside_copy("backward of exp", 3, 1.15, backward_of({a}, [](const auto& x) { return exp(x[0]); }));
  beside_copy("backward of tanh", 3, 1.15, backward_of({a}, [](const auto& x) { return tanh(x[0]); }));
  beside_copy("backward of sigmoid", 3, 1.15, backward_of({a}, [](const auto& x) { return sigmoid(x[0]); }));
}

void add_layouts(std::vector<Row>& rows, int64_t side) {
  const Tensor a = uniform({side, side}, -3, 3), b = uniform({side, side}, -3, 3);
  const Tensor row = uniform({side}, -3, 3), column = uniform({side, 1}, -3, 3);
  const Call plain = [=] { a + b; };
  const auto beside_plain = [&](std::string what, Call ours, const Call& theirs, double target = 1.5) {
    rows.push_back({std::move(what), "plain", target, std::move(ours), theirs});
  };
  beside_plain(
      "add a row", [=] { a + row; }, plain);
  beside_plain(
      "add a column", [=] { a + column; }, plain);
  beside_plain(
      "add a transposed one", [=] { a + transpose(b); }, plain);
  beside_plain(
      "add two transposed ones", [=] { transpose(a) + transpose(b); }, plain);
  beside_plain(
      "exp of a transposed one", [=] { exp(transpose(a)); }, [=] { exp(a); });
  beside_plain(
      "sum of a transposed one", [=] { sum(transpose(a)); }, [=] { sum(a); });
  beside_plain(
      "its sum over columns", [=] { sum(transpose(a), 1); }, [=] { sum(a, 1); });
  for (const int64_t inner : {4, 48}) {
    const int64_t outer = side * side / inner;
    const Tensor narrow = uniform({outer, inner}, -3, 3), short_row = uniform({inner}, -3, 3),
                 long_column = uniform({outer, 1}, -3, 3);
    const Tensor wide = uniform({inner, outer}, -3, 3);
    const std::string name = fmt::format("[{}, {}]", outer, inner);
    beside_plain(
        "add a row to " + name, [=] { narrow + short_row; }, plain);
    beside_plain(
        "add a column to " + name, [=] { narrow + long_column; }, plain);
    beside_plain(
        "add a transposed one to " + name, [=] { narrow + transpose(wide); }, plain);
    beside_plain(
        "sum over columns of " + name, [=] { sum(narrow, 1); }, [=] { sum(a, 1); });
    beside_plain(
        "sum over rows of " + name, [=] { sum(narrow, 0); }, [=] { sum(a, 0); });
  }
  const Tensor strided = slice(uniform({side, 2 * side}, -3, 3), 1, {.step = 2});
  beside_plain(
      "add every other one", [=] { a + strided; }, plain);
  const auto slopes = backward_of({a, b}, [](const auto& x) { return x[0] * x[1]; });
  beside_plain("backward of mul by a row", backward_of({a, row}, [](const auto& x) { return x[0] * x[1]; }),
               slopes);
  beside_plain("backward of mul by a column",
               backward_of({a, column}, [](const auto& x) { return x[0] * x[1]; }), slopes);
  const Tensor turned = transpose(b);
  beside_plain("backward of mul by a transposed",
               backward_of({a, turned}, [](const auto& x) { return x[0] * x[1]; }), slopes);
}

void add_products(std::vector<Row>& rows) {
  const std::pair<int64_t, int64_t> shapes[] = {{200, 200}, {650, 650}, {256, 256},
                                                {512, 512}, {28, 128},  {128, 128}};
  for (const auto& [input, hidden] : shapes)
    for (const int64_t batch : {1, 4, 20, 64}) {
      Tensor x = uniform({batch, input}, -3, 3), w = uniform({input, 4 * hidden}, -3, 3);
      const Tensor y = empty({batch, 4 * hidden});
      const auto direct = [x, w, y, m = batch, k = input, n = 4 * hidden] {
        dnnl_sgemm('N', 'N', m, n, k, 1.0F, x.raw<float>(), k, w.raw<float>(), n, 0.0F, y.raw<float>(), n);
      };
      const std::string what = fmt::format("matmul {} x {} x {}", batch, input, 4 * hidden);
      rows.push_back({what, "dnnl_sgemm", 1 / 0.95, [=] { matmul(x, w); }, direct});
      Tensor recorded = uniform({input, 4 * hidden}, -3, 3);
      recorded.requires_grad_();
      rows.push_back({what + ", recorded", "dnnl_sgemm", 1 / 0.95,
                      [=] {
                        const Tape tape;
                        matmul(x, recorded);
                      },
                      direct});
    }
}

void run_program(int argc, const char* const* argv) {
  CommonOptions options;
  options.measure = {.rounds = 7, .min_seconds = 0.3};
  boost::program_options::variables_map values;
  boost::program_options::options_description own("Of this program");
  int64_t side = 1024;
  std::string only;
  // clang-format off
  own.add_options()
      ("side", boost::program_options::value(&side)->default_value(side), "elementwise: matrices of side x side")
      ("only", boost::program_options::value(&only), "rows whose name contains this");
  // clang-format on
  if (!parse(argc, argv, own, options, values)) return;
  Report report("bench_eager", options);
  const Table table({{"what", 34},
                     {"threads", 7},
                     {"Reel us", 9},
                     {"beside", 15},
                     {"us", 9},
                     {"times", 6},
                     {"target", 6},
                     {"rounds", 6}});
  for (const int threads : options.threads) {
    set_threads(threads);
    std::vector<Row> rows;
    add_elementwise(rows, side);
    add_layouts(rows, side);
    add_products(rows);
    for (const Row& row : rows) {  // wall_time takes copies of the calls, so that their tapes end with them
      if (row.what.find(only) == std::string::npos) continue;
      const Comparison c = compare(wall_time(row.ours, options.measure),
                                   wall_time(row.theirs, options.measure), options.measure);
      const double times = 1 / c.pairwise_ratio;
      report.add({{"what", row.what},
                  {"threads", threads},
                  {"beside", row.beside},
                  {"reel_us", c.ours * 1e6},
                  {"beside_us", c.theirs * 1e6},
                  {"times", times},
                  {"target", row.target},
                  {"rounds", c.rounds}});
      table.row({row.what, std::to_string(threads), fmt::format("{:.1f}", c.ours * 1e6), row.beside,
                 fmt::format("{:.1f}", c.theirs * 1e6), fmt::format("{:.2f}", times),
                 row.target > 0 ? fmt::format("{:.2f}", row.target) : "", std::to_string(c.rounds)});
    }
  }
  report.write();
}

}  // namespace
}  // namespace reel::bench

int main(int argc, char** argv) {
  return reel::bench::run_guarded([&] { reel::bench::run_program(argc, argv); });
}
