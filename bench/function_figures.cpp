// The functions themselves, drawn from what the library's kernels return.
#include "figures.hpp"

#include <sigmax/sigmax.hpp>

#include "exit_code.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sigmax_bench {
namespace {

constexpr std::size_t points = 161;

struct domain {
  float low = -5, high = 5;
};

// The article draws elu, selu and swish on [-3, 3]; softcap bends at its cap of 50.
domain domain_of(sigmax::activation function) {
  switch (function) {
    case sigmax::activation::elu:
    case sigmax::activation::celu:
    case sigmax::activation::selu:
    case sigmax::activation::silu:
    case sigmax::activation::squared_relu:
    case sigmax::activation::clip:
    case sigmax::activation::shrink:
    case sigmax::activation::exp: return {-3, 3};
    case sigmax::activation::softcap: return {-150, 150};
    case sigmax::activation::relu6: return {-5, 10};
    default: return {};
  }
}

std::vector<float> spread_over(const domain& d, std::size_t count = points) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i)
    x[i] = d.low + (d.high - d.low) * static_cast<float>(i) / static_cast<float>(count - 1);
  return x;
}

std::vector<double> widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

void require(const sigmax::status& s) {
  if (!s) throw usage_error(s.message);
}

std::vector<float> values_of(sigmax::activation function, const std::vector<float>& x,
                             const sigmax::parameters& p = {}) {
  std::vector<float> y(x.size());
  sigmax::options how{.where = sigmax::backend::cpu};
  how.parameters = p;
  const auto n = static_cast<std::int64_t>(x.size());
  require(sigmax::activate(function, sigmax::const_view(x.data(), n), sigmax::view(y.data(), n), how));
  return y;
}

std::vector<float> slopes_of(sigmax::activation function, const std::vector<float>& x) {
  std::vector<float> dx(x.size()), one(x.size(), 1.0f);
  const auto n = static_cast<std::int64_t>(x.size());
  require(sigmax::activation_gradient(function, sigmax::const_view(one.data(), n), sigmax::const_view(x.data(), n),
                                      sigmax::view(dx.data(), n), {.where = sigmax::backend::cpu}));
  return dx;
}

// A jump is a gap, not a slope that is not there: a step that dwarfs the steps beside it.
curve broken_curve(const char* name, const std::vector<float>& x, const std::vector<float>& values) {
  curve c{name};
  const auto step = [&](std::size_t i) {
    return i == 0 || i >= values.size() ? 0.0f : std::fabs(values[i] - values[i - 1]);
  };
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i > 0 && step(i) > 3 * std::max(step(i - 1), step(i + 1)) && step(i) > 0.02f * (*high - *low)) {
      c.x.push_back(static_cast<double>(x[i]));
      c.y.push_back(std::numeric_limits<double>::quiet_NaN());
    }
    c.x.push_back(static_cast<double>(x[i]));
    c.y.push_back(static_cast<double>(values[i]));
  }
  return c;
}

figure function_figure(sigmax::activation function) {
  const sigmax::activation_info& about = sigmax::describe(function);
  figure f;
  f.name = std::string(about.name);
  std::string defaults;
  for (const sigmax::parameter_info& p : about.parameters)
    defaults += fmt::format("{}{} {:.4g}", defaults.empty() ? "" : ", ", p.name, p.default_value);
  f.title = defaults.empty() ? f.name : fmt::format("{} ({})", f.name, defaults);
  f.x_title = "x";
  const domain d = domain_of(function);
  f.x_low = static_cast<double>(d.low), f.x_high = static_cast<double>(d.high);
  const std::vector<float> x = spread_over(d);
  f.curves.push_back(broken_curve("f(x)", x, values_of(function, x)));
  f.curves.push_back(broken_curve("derivative", x, slopes_of(function, x)));
  f.curves.back().dashed = true;
  return f;
}

figure overlay(const char* name, const char* title, const domain& d) {
  figure f;
  f.name = name;
  f.title = title;
  f.x_title = "x";
  f.x_low = static_cast<double>(d.low), f.x_high = static_cast<double>(d.high);
  return f;
}

figure leaky_relu_slopes() {
  const domain d;
  figure f = overlay("leaky_relu-slopes", "leaky_relu, four slopes", d);
  const std::vector<float> x = spread_over(d);
  for (const float slope : {0.01f, 0.1f, 0.2f, 0.3f}) {
    f.curves.push_back({fmt::format("slope {:g}", slope), widened(x),
                        widened(values_of(sigmax::activation::leaky_relu, x, {.first = slope}))});
  }
  return f;
}

figure hard_sigmoids() {
  const domain d;
  figure f = overlay("hard_sigmoid-variants", "hard_sigmoid, as libraries define it", d);
  const std::vector<float> x = spread_over(d);
  const auto add = [&](const char* name, float alpha) {
    f.curves.push_back(
        {name, widened(x), widened(values_of(sigmax::activation::hard_sigmoid, x, {.first = alpha, .second = 0.5f}))});
  };
  add("alpha 1/6 (PyTorch)", 1.0f / 6);
  add("alpha 0.2 (ONNX)", 0.2f);
  f.curves.push_back(
      {"sigmoid", widened(x), widened(values_of(sigmax::activation::sigmoid, x)), {}, {}, true, grey_colour});
  return f;
}

figure gelu_difference() {
  const domain d;
  figure f = overlay("gelu-erf-minus-tanh", "gelu minus gelu_tanh", d);
  const std::vector<float> x = spread_over(d);
  const std::vector<float> a = values_of(sigmax::activation::gelu, x), b = values_of(sigmax::activation::gelu_tanh, x);
  std::vector<double> difference;
  for (std::size_t i = 0; i < x.size(); ++i)
    difference.push_back(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  f.curves.push_back({"difference", widened(x), difference});
  return f;
}

figure negative_sides() {
  const domain d{-4, 1.5f};
  figure f = overlay("negative-side", "what is left of negative inputs", d);
  f.width = 480, f.height = 380;
  const std::vector<float> x = spread_over(d);
  for (const auto function :
       {sigmax::activation::relu, sigmax::activation::leaky_relu, sigmax::activation::elu, sigmax::activation::selu,
        sigmax::activation::silu, sigmax::activation::gelu, sigmax::activation::mish}) {
    f.curves.push_back({std::string(sigmax::describe(function).name), widened(x), widened(values_of(function, x))});
  }
  return f;
}

// The article's: one row of 1000 values.
figure softmax_figure() {
  const domain d;
  figure f = overlay("softmax", "softmax of 1000 values from -5 to 5", d);
  const std::vector<float> x = spread_over(d, 1000);
  std::vector<float> y(x.size());
  const auto n = static_cast<std::int64_t>(x.size());
  require(
      sigmax::softmax(sigmax::const_view(x.data(), n), sigmax::view(y.data(), n), -1, {.where = sigmax::backend::cpu}));
  curve c{"softmax(x)", {}, {}};
  for (std::size_t i = 0; i < x.size(); i += 4) {
    c.x.push_back(static_cast<double>(x[i]));
    c.y.push_back(static_cast<double>(y[i]));
  }
  f.curves.push_back(std::move(c));
  return f;
}

}  // namespace

std::vector<figure> function_figures() {
  std::vector<figure> all;
  for (const auto function : sigmax::all_activations()) all.push_back(function_figure(function));
  for (figure& more :
       std::vector{softmax_figure(), negative_sides(), leaky_relu_slopes(), hard_sigmoids(), gelu_difference()})
    all.push_back(std::move(more));
  return all;
}

}  // namespace sigmax_bench
