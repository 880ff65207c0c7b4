#include "ops/normalization_kernel.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "framework/parallel.h"

namespace reel::detail {
namespace {

constexpr int64_t parallel_elements = 1 << 13;  // about 5 us
// Sums run in so many lanes, for the vector unit, and blocks so long, for float's rounding.
constexpr int64_t lanes = 16, block = 1024;
// Gradients of the weights of elements are summed up over so many parts of the rows, whatever the number of
// threads: the same bits.
constexpr int64_t row_parts = 16;

/// Sum over i < n of term(i).
template <class T, class F> double sum_of(int64_t n, F term) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t end = std::min(n, begin + block);
    T sums[lanes] = {};
    int64_t i = begin;
    for (; i + lanes <= end; i += lanes)
      for (int64_t k = 0; k < lanes; ++k) sums[k] += term(i + k);
    for (int64_t k = 0; i < end; ++i, ++k) sums[k] += term(i);
    for (T sum : sums) total += static_cast<double>(sum);
  }
  return total;
}

/// Sums of g and of g times the normalised x, over a run or a set.
struct Sums {
  double gradient = 0, product = 0;
};

/// The loops over one x.
template <class T> class Kernel {
 public:
  Kernel(const NormLayout& layout, double eps, const Tensor& x, const Tensor& weight)
      : layout_(layout), eps_(eps), x_(x.raw<T>()), weight_(weight.defined() ? weight.raw<T>() : nullptr) {}

  void forward(const T* bias, T* y, T* mean, T* variance) const {
    for_sets([&](int64_t set) {
      const double n = static_cast<double>(layout_.set_size());
      double centre = 0, square = 0;
      if (layout_.centred) {
        for_runs(set, [&](int64_t at, int64_t) {
          centre += sum_of<T>(layout_.inner, [x = x_ + at](int64_t i) { return x[i]; });
        });
        centre /= n;
      }
      const T middle = static_cast<T>(centre);
      for_runs(set, [&](int64_t at, int64_t) {
        square += sum_of<T>(layout_.inner,
                            [x = x_ + at, middle](int64_t i) { return (x[i] - middle) * (x[i] - middle); });
      });
      mean[set] = middle;
      variance[set] = static_cast<T>(square / n);
      write(set, middle, static_cast<T>(1 / std::sqrt(square / n + eps_)), bias, y);
    });
  }

  /// dx = r * (w g - mean(w g) - x^ mean(w g x^)), x^ the normalised x. The sums of g and of g x^ over each
  /// run go to `sums`, if it is not empty.
  void backward(const T* mean, const T* variance, const T* g, T* dx, std::vector<Sums>& sums) const {
    for_sets([&](int64_t set) {
      const double n = static_cast<double>(layout_.set_size());
      const T middle = mean[set], scale = root(variance[set]);
      Sums all;
      for_runs(set, [&](int64_t at, int64_t w) {
        const Sums run = run_sums(at, w, g + at, middle, scale);
        if (!sums.empty()) sums[static_cast<size_t>(at / layout_.inner)] = run;
        const double factor = weight_ && !layout_.weight_by_element() ? static_cast<double>(weight_[w]) : 1;
        all.gradient += factor * run.gradient;
        all.product += factor * run.product;
      });
      if (!dx) return;
      const T shift = layout_.centred ? static_cast<T>(all.gradient / n) : T(0);
      const T slope = static_cast<T>(all.product / n) * scale;
      for_runs(set, [&](int64_t at, int64_t w) {
        const T *x = x_ + at, *from = g + at, *by = weight_ ? weight_ + w : nullptr;
        T* to = dx + at;
        if (weight_ && layout_.weight_by_element()) {
          for (int64_t i = 0; i < layout_.inner; ++i)
            to[i] = scale * (from[i] * by[i] - shift - (x[i] - middle) * slope);
        } else {
          const T factor = weight_ ? *by : T(1);
          for (int64_t i = 0; i < layout_.inner; ++i)
            to[i] = scale * (from[i] * factor - shift - (x[i] - middle) * slope);
        }
      });
    });
  }

  /// Gradients of weights by element: columns of a matrix of sets.
  void element_gradients(const T* mean, const T* variance, const T* g, T* dweight, T* dbias) const {
    const int64_t width = layout_.inner, rows = layout_.sets();
    const int64_t parts = std::min(rows, row_parts);
    std::vector<T> sums(static_cast<size_t>(2 * parts * width), T(0));
    parallel_for(parts, std::max<int64_t>(1, parallel_elements * parts / std::max<int64_t>(1, rows * width)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t part = begin; part < end; ++part) {
                     T* of_weight = sums.data() + 2 * part * width;
                     T* of_bias = of_weight + width;
                     for (int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row) {
                       const T middle = mean[row], scale = root(variance[row]);
                       const T *x = x_ + row * width, *from = g + row * width;
                       for (int64_t i = 0; i < width; ++i) {
                         of_weight[i] += from[i] * ((x[i] - middle) * scale);
                         of_bias[i] += from[i];
                       }
                     }
                   }
                 });
    for (int64_t i = 0; i < width; ++i) {
      T weight_sum = 0, bias_sum = 0;
      for (int64_t part = 0; part < parts; ++part) {
        weight_sum += sums[static_cast<size_t>(2 * part * width + i)];
        bias_sum += sums[static_cast<size_t>((2 * part + 1) * width + i)];
      }
      if (dweight) dweight[i] = weight_sum;
      if (dbias) dbias[i] = bias_sum;
    }
  }

 private:
  T root(T variance) const { return static_cast<T>(1 / std::sqrt(static_cast<double>(variance) + eps_)); }

  template <class F> void for_sets(F&& f) const {
    parallel_for(layout_.sets(), std::max<int64_t>(1, parallel_elements / layout_.set_size()),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t set = begin; set < end; ++set) f(set);
                 });
  }

  /// Calls f(offset of a run of `inner` elements, its weight) for each run of a set.
  template <class F> void for_runs(int64_t set, F&& f) const {
    if (layout_.over_outer) {
      for (int64_t i = 0; i < layout_.outer; ++i) f((i * layout_.groups + set) * layout_.inner, set);
    } else {
      for (int64_t p = 0; p < layout_.parts; ++p)
        f((set * layout_.parts + p) * layout_.inner, set % layout_.groups * layout_.parts + p);
    }
  }

  void write(int64_t set, T middle, T scale, const T* bias, T* y) const {
    for_runs(set, [&](int64_t at, int64_t w) {
      const T* x = x_ + at;
      T* to = y + at;
      if (layout_.weight_by_element() && (weight_ || bias)) {
        for (int64_t i = 0; i < layout_.inner; ++i) {
          const T value = (x[i] - middle) * scale;
          to[i] = (weight_ ? value * weight_[i] : value) + (bias ? bias[i] : T(0));
        }
      } else {
        const T factor = scale * (weight_ ? weight_[w] : T(1)), shift = bias ? bias[w] : T(0);
        for (int64_t i = 0; i < layout_.inner; ++i) to[i] = (x[i] - middle) * factor + shift;
      }
    });
  }

  Sums run_sums(int64_t at, int64_t w, const T* g, T middle, T scale) const {
    const T* x = x_ + at;
    if (weight_ && layout_.weight_by_element()) {
      const T* by = weight_ + w;
      return {sum_of<T>(layout_.inner, [=](int64_t i) { return g[i] * by[i]; }),
              sum_of<T>(layout_.inner, [=](int64_t i) { return g[i] * by[i] * ((x[i] - middle) * scale); })};
    }
    return {sum_of<T>(layout_.inner, [=](int64_t i) { return g[i]; }),
            sum_of<T>(layout_.inner, [=](int64_t i) { return g[i] * ((x[i] - middle) * scale); })};
  }

  const NormLayout& layout_;
  double eps_;
  const T* x_;
  const T* weight_;
};

template <class T> T* raw_or_null(const Tensor& x) { return x.defined() ? x.raw<T>() : nullptr; }

}  // namespace

void normalize(const NormLayout& layout, double eps, const Tensor& x, const Tensor& weight,
               const Tensor& bias, const Tensor& y, const Tensor& mean, const Tensor& variance) {
  dispatch_floating("normalize", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Kernel<T>(layout, eps, x, weight)
        .forward(raw_or_null<T>(bias), y.raw<T>(), mean.raw<T>(), variance.raw<T>());
  });
}

void normalize_gradient(const NormLayout& layout, double eps, const Tensor& x, const Tensor& weight,
                        const Tensor& mean, const Tensor& variance, const Tensor& gradient,
                        const NormGradients& out) {
  const bool weights = out.weight.defined() || out.bias.defined();
  dispatch_floating("normalize", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Kernel<T> kernel(layout, eps, x, weight);
    const T *centre = mean.raw<T>(), *spread = variance.raw<T>(), *g = gradient.raw<T>();
    T *dweight = raw_or_null<T>(out.weight), *dbias = raw_or_null<T>(out.bias);
    std::vector<Sums> sums;
    const bool by_channel = weights && !layout.weight_by_element();
    if (by_channel) sums.resize(static_cast<size_t>(layout.outer * layout.weights()));
    if (out.x.defined() || by_channel) kernel.backward(centre, spread, g, raw_or_null<T>(out.x), sums);
    if (weights && !by_channel) kernel.element_gradients(centre, spread, g, dweight, dbias);
    if (!by_channel) return;
    for (int64_t w = 0; w < layout.weights(); ++w) {
      Sums all;
      for (int64_t i = 0; i < layout.outer; ++i) {
        all.gradient += sums[static_cast<size_t>(i * layout.weights() + w)].gradient;
        all.product += sums[static_cast<size_t>(i * layout.weights() + w)].product;
      }
      if (dweight) dweight[w] = static_cast<T>(all.product);
      if (dbias) dbias[w] = static_cast<T>(all.gradient);
    }
  });
}

}  // namespace reel::detail
