// The oracle of functions of rows: scores step by step as sigmax.hpp tells them, then the textbook formula, in double
// (whose exp is 2^29 times finer than what is checked) with sums in long double.
#include "checker.hpp"
#include "row_op.hpp"
#include "row_operands.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

namespace sigmax_bench {
namespace {

constexpr double masked = -HUGE_VAL;

class row_checker {
 public:
  row_checker(checker& into, const bench_case& c, const operands& memory, const row_operands& rows, std::int64_t r)
      : into_(into), case_(c), op_(c.op), memory_(memory), rows_(rows), row_(r), cols_(c.size.cols) {}

  void check() {
    switch (op_.kind) {
      case op_kind::softmax:
      case op_kind::log_softmax:
      case op_kind::logsumexp: return check_softmax();
      case op_kind::softmax_gradient: return check_softmax_gradient();
      case op_kind::log_softmax_gradient: return check_log_softmax_gradient();
      case op_kind::cross_entropy:
      case op_kind::cross_entropy_gradient: return check_loss();
      case op_kind::top_k_gating: return check_gating();
      case op_kind::activation:
      case op_kind::gradient:
      case op_kind::gated:
      case op_kind::gated_gradient: return;
    }
  }

 private:
  std::int64_t place(std::int64_t j) const { return place_of(op_, case_.size, row_, j); }
  float at(const void* tensor, std::int64_t j) const { return element(case_.type, tensor, place(j)); }
  void check_element(std::int64_t j, float x, long double want, long double error) {
    into_.check(place(j), x, at(memory_.y(), j), want, error);
  }
  template <class T>
  T of_row(const std::vector<T>& values) const {
    return values[static_cast<std::size_t>(row_)];
  }

  // r(n) of sigmax.hpp: what a sum of the row's columns may be off by, relatively.
  long double sum_error() const {
    const auto n = static_cast<long double>(cols_);
    return 0x1p-45L + std::min(n * n * 0x1p-54L, n * 0x1p-40L);
  }

  struct scored {
    double t = masked;
    long double error = 0;  // absolute
  };
  // Each conversion to float is one of the roundings that the library promises. Capping is the one step that is not
  // exactly rounded: from there on no oracle can round the same number, and each rounding may be another.
  scored score(std::int64_t j) const {
    const std::int64_t query = case_.size.cols - case_.size.rows + row_ % case_.size.rows;
    const auto column = static_cast<std::size_t>(j);
    if (op_.has(row_option::causal) && j > query) return {};
    if (op_.has(row_option::window) && j <= query - option_window(case_.size)) return {};
    if (op_.has(row_option::boolean) && rows_.allowed[column] == 0) return {};
    float factor = scale_of(op_);
    if (op_.has(row_option::row_scale)) factor *= of_row(rows_.row_scale);
    scored s{static_cast<float>(double{at(memory_.x(), j)} * factor)};
    const bool capped = op_.has(row_option::softcap);
    if (capped) {
      s.t = option_softcap * std::tanh(s.t / option_softcap);
      const sigmax::activation_info& cap = sigmax::describe(sigmax::activation::softcap);
      s.error = (op_.fast() ? *cap.bound_fast : cap.bound_f32) * f32_ulp(s.t);
    }
    const auto add = [&](double term) {
      s.t += term;
      if (capped)
        s.error += f32_ulp(s.t) / 2;
      else
        s.t = static_cast<float>(s.t);
    };
    if (op_.has(row_option::alibi)) add(option_slope * static_cast<double>(j - query));
    if (op_.has(row_option::mask)) add(rows_.mask[column]);
    return s.t == masked ? scored{} : s;
  }

  struct sums {
    double max = masked;
    long double sum = 0;    // of exp(t - max)
    long double error = 0;  // of the sum, relative: mean of the errors of its terms' scores

    long double lse() const { return max + std::log(sum); }
  };
  sums sums_of(const std::vector<scored>& scores) const {
    sums s;
    if (op_.has(row_option::sinks)) s.max = option_sink;
    for (const scored& v : scores) s.max = std::max(s.max, v.t);
    if (op_.has(row_option::sinks)) s.sum = std::exp(option_sink - s.max);
    for (const scored& v : scores) {
      if (v.t == masked) continue;
      const double e = std::exp(v.t - s.max);
      s.sum += e;
      s.error += e * v.error;
    }
    if (s.sum > 0) s.error /= s.sum;
    return s;
  }

  std::vector<scored> scores() const {
    std::vector<scored> t(static_cast<std::size_t>(cols_));
    for (std::int64_t j = 0; j < cols_; ++j) t[static_cast<std::size_t>(j)] = score(j);
    return t;
  }

  // What sigmax.hpp promises of an element whose score is `below` the largest.
  long double softmax_error(long double want, double below) const {
    // `fast` may flush what is below 2^-126.
    if (op_.fast()) return (6 + below / 16) * f32_ulp(want) + want * sum_error() + (want < 0x1p-125L ? 0x1p-126L : 0);
    return 3.5L * f32_ulp(want) + want * sum_error();
  }
  long double logarithm_error(long double want) const {
    if (op_.fast()) return std::max(2.5L * f32_ulp(want), 0x1p-22L);
    if (want > -0x1p-22L) return sum_error();
    return (want > -0x1p-10L ? 3 : 2) * f32_ulp(want) + sum_error();
  }

  void check_lse(const sums& s, long double absolute) {
    into_.check_of_row(row_, "lse", of_row(rows_.lse), s.lse(), 0.51L * f32_ulp(s.lse()) + absolute);
  }

  void check_softmax() {
    const std::vector<scored> t = scores();
    const sums s = sums_of(t);
    if (op_.kind == op_kind::logsumexp || op_.has(row_option::lse))
      check_lse(s, (op_.fast() ? 0x1p-21L : 0x1p-23L + sum_error()) + s.error);
    if (op_.kind == op_kind::logsumexp) return;
    const bool logarithm = op_.kind == op_kind::log_softmax;
    sample(cols_, 512, [&](std::int64_t j) {
      const scored& score = t[static_cast<std::size_t>(j)];
      const float x = at(memory_.x(), j);
      if (score.t == masked) return check_element(j, x, logarithm ? masked : 0, 0);
      const long double of_scores = score.error + s.error;
      if (logarithm) {
        const long double want = score.t - s.max - std::log(s.sum);
        check_element(j, x, want, logarithm_error(want) + of_scores);
      } else {
        const long double want = std::exp(static_cast<long double>(score.t - s.max)) / s.sum;
        check_element(j, x, want, softmax_error(want, s.max - score.t) + want * of_scores);
      }
    });
  }

  // From y as it was given, so only the gradient's own arithmetic counts.
  void check_softmax_gradient() {
    long double weighted = 0, largest = 0;
    for (std::int64_t j = 0; j < cols_; ++j) {
      const long double dy = at(memory_.dy(), j);
      weighted += dy * at(memory_.forward_result(), j);
      largest = std::max(largest, std::fabs(dy));
    }
    sample(cols_, 512, [&](std::int64_t j) {
      const float y = at(memory_.forward_result(), j);
      const long double factor = static_cast<long double>(scale_of(op_)) * y;
      const long double want = factor * (at(memory_.dy(), j) - weighted);
      check_element(j, y, want, 2.5L * f32_ulp(want) + std::fabs(factor) * largest * 2 * sum_error());
    });
  }

  void check_log_softmax_gradient() {
    long double sum = 0, magnitudes = 0;
    for (std::int64_t j = 0; j < cols_; ++j) {
      const long double dy = at(memory_.dy(), j);
      sum += dy;
      magnitudes += std::fabs(dy);
    }
    sample(cols_, 512, [&](std::int64_t j) {
      const float y = at(memory_.forward_result(), j);
      const long double direct = static_cast<long double>(scale_of(op_)) * at(memory_.dy(), j);
      const long double share = scale_of(op_) * std::exp(static_cast<long double>(y)), want = direct - share * sum;
      const long double larger = std::max(std::fabs(want), std::fabs(direct));  // they may cancel
      check_element(j, y, want, 4 * f32_ulp(larger) + share * magnitudes * 2 * sum_error());
    });
  }

  void check_loss() {
    const std::vector<scored> t = scores();
    const sums s = sums_of(t);
    const std::int64_t target = of_row(rows_.targets);
    const long double below_max = s.max - t[static_cast<std::size_t>(target)].t;
    if (op_.kind == op_kind::cross_entropy) {
      const long double want = std::log(s.sum) + below_max;
      into_.check_of_row(row_, "loss", of_row(rows_.loss), want, 2 * f32_ulp(want) + 2 * sum_error() * (1 + want));
      if (op_.has(row_option::lse)) check_lse(s, 0x1p-25L + sum_error());  // of plain scores
      return;
    }
    // A given lse is rounded to f32, which is an error in the exponent; and p - 1 is then no better than p.
    const bool given = op_.has(row_option::lse);
    const long double scale = static_cast<long double>(loss_gradient) * scale_of(op_);
    const long double rounding = given ? std::fabs(s.lse()) * 0x1p-24L : 0;
    sample(cols_, 512, [&](std::int64_t j) {
      const bool is_target = j == target;
      const long double p = std::exp(static_cast<long double>(t[static_cast<std::size_t>(j)].t - s.max)) / s.sum;
      const long double want = scale * (p - (is_target ? 1 : 0));
      const long double beside = p * rounding + sum_error() + (given && is_target ? 0x1p-22L : 0);
      check_element(j, at(memory_.x(), j), want, 3 * f32_ulp(want) + scale * beside);
    });
  }

  void check_gating() {
    const std::int64_t k = experts_chosen(case_.size);
    std::vector<std::int32_t> order(static_cast<std::size_t>(cols_));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>{}, [&](std::int32_t j) { return at(memory_.x(), j); });
    const auto score = [&](std::int64_t i) -> double { return at(memory_.x(), order[static_cast<std::size_t>(i)]); };
    long double sum = 0;
    for (std::int64_t i = 0; i < k; ++i) sum += std::exp(score(i) - score(0));
    for (std::int64_t i = 0; i < k; ++i) {
      const auto place = static_cast<std::size_t>(row_ * k + i);
      const double below = score(0) - score(i);
      const long double weight = std::exp(static_cast<long double>(-below)) / sum;
      into_.check_of_row(row_, "expert", static_cast<float>(rows_.experts[place]), order[static_cast<std::size_t>(i)],
                         0);
      into_.check_of_row(row_, "weight", rows_.weights[place], weight,
                         (op_.fast() ? 6 + below : 3.5) * f32_ulp(weight) + 0x1p-121L);
    }
  }

  checker& into_;
  const bench_case& case_;
  const operation& op_;
  const operands& memory_;
  const row_operands& rows_;
  std::int64_t row_, cols_;
};

}  // namespace

void check_rows(checker& into, const bench_case& c, const operands& memory, const row_operands& rows) {
  // About 64 Ki elements, but the first and the last row in any case.
  const std::int64_t count = c.size.all_rows(), cols = c.size.cols;
  sample(count, std::max<std::int64_t>(1, 16384 / cols), [&, seen = std::int64_t{0}](std::int64_t r) mutable {
    if (seen > 131072 && r != count - 1) return;
    seen += cols;
    row_checker(into, c, memory, rows, r).check();
  });
}

}  // namespace sigmax_bench
