// The oracle of functions of rows: scores step by step as sigmax.hpp tells them, then the textbook formula, in double
// (whose exp is 2^29 times finer than what is checked) with sums in long double.
#include "checker.hpp"
#include "row_op.hpp"
#include "row_operands.hpp"

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
  void check_element(std::int64_t j, float x, long double want, long double slack) {
    into_.check(place(j), x, at(memory_.y(), j), want, slack);
  }
  template <class T>
  T of_row(const std::vector<T>& values) const {
    return values[static_cast<std::size_t>(row_)];
  }

  // Each conversion to float is one of the roundings that the library promises.
  double score(std::int64_t j) const {
    const std::int64_t query = case_.size.cols - case_.size.rows + row_ % case_.size.rows;
    const auto column = static_cast<std::size_t>(j);
    if (op_.has(row_option::causal) && j > query) return masked;
    if (op_.has(row_option::window) && j <= query - option_window(case_.size)) return masked;
    if (op_.has(row_option::boolean) && rows_.allowed[column] == 0) return masked;
    float factor = scale_of(op_);
    if (op_.has(row_option::row_scale)) factor *= of_row(rows_.row_scale);
    double t = static_cast<float>(double{at(memory_.x(), j)} * factor);
    if (op_.has(row_option::softcap)) t = static_cast<float>(option_softcap * std::tanh(t / option_softcap));
    if (op_.has(row_option::alibi)) t = static_cast<float>(t + option_slope * static_cast<double>(j - query));
    if (op_.has(row_option::mask)) t = static_cast<float>(t + rows_.mask[column]);
    return t;
  }

  struct sums {
    double max = masked;
    long double sum = 0;    // of exp(t - max)
    long double error = 0;  // of the sum, relative: mean of the errors of its terms' exponents

    long double lse() const { return max + std::log(sum); }
  };
  // t - max is rounded once in f32: an error of up to |t - max| * 2^-24 in the exponent of each term. Capping is the
  // one step that is not exactly rounded: two ULP of it, and one of the score that it ends in.
  long double exponent_error(double t, double max, double x) const {
    const double capped = std::fabs(x) * 0x1p-22 + std::fabs(t) * 0x1p-23;
    return std::fabs(t - max) * 0x1p-24 + (op_.has(row_option::softcap) ? capped : 0) * into_.without_fma();
  }

  sums sums_of(const std::vector<double>& t) const {
    sums s;
    if (op_.has(row_option::sinks)) s.max = option_sink;
    for (const double v : t) s.max = std::max(s.max, v);
    if (op_.has(row_option::sinks)) s.sum = std::exp(option_sink - s.max);
    for (std::size_t j = 0; j < t.size(); ++j) {
      if (t[j] == masked) continue;
      const double e = std::exp(t[j] - s.max);
      s.sum += e;
      s.error += e * exponent_error(t[j], s.max, at(memory_.x(), static_cast<std::int64_t>(j)));
    }
    if (s.sum > 0) s.error /= s.sum;
    return s;
  }

  std::vector<double> scores() const {
    std::vector<double> t(static_cast<std::size_t>(cols_));
    for (std::int64_t j = 0; j < cols_; ++j) t[static_cast<std::size_t>(j)] = score(j);
    return t;
  }

  void check_softmax() {
    const std::vector<double> t = scores();
    const sums s = sums_of(t);
    if (op_.kind == op_kind::logsumexp || op_.has(row_option::lse))
      into_.check_of_row(row_, "lse", of_row(rows_.lse), s.lse(), 0.5L, s.error + (op_.fast() ? 4 : 1) * 0x1p-24L);
    if (op_.kind == op_kind::logsumexp) return;
    const bool logarithm = op_.kind == op_kind::log_softmax;
    sample(cols_, 512, [&](std::int64_t j) {
      const double score = t[static_cast<std::size_t>(j)];
      const float x = at(memory_.x(), j);
      if (score == masked) return check_element(j, x, logarithm ? masked : 0, 0);
      const long double error = exponent_error(score, s.max, x) + s.error;
      if (logarithm) {
        const long double log_sum = std::log(s.sum);
        check_element(j, x, score - s.max - log_sum, error + (log_sum + 4) * 0x1p-24L);
      } else {
        const long double want = std::exp(static_cast<long double>(score - s.max)) / s.sum;
        check_element(j, x, want, want * error + (op_.fast() ? 0x1p-126L : 0));  // which `fast` may flush
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
      check_element(j, y, factor * (at(memory_.dy(), j) - weighted),
                    std::fabs(factor) * largest * 0x1p-44L * into_.without_fma());
    });
  }

  void check_log_softmax_gradient() {
    long double sum = 0;
    for (std::int64_t j = 0; j < cols_; ++j) sum += at(memory_.dy(), j);
    sample(cols_, 512, [&](std::int64_t j) {
      const float y = at(memory_.forward_result(), j);
      const long double dy = at(memory_.dy(), j), scale = scale_of(op_);
      // The two terms may cancel: 3 ULP of the larger.
      check_element(j, y, scale * (dy - std::exp(static_cast<long double>(y)) * sum),
                    3 * std::fabs(scale * dy) * 0x1p-23L * into_.without_fma());
    });
  }

  void check_loss() {
    const std::vector<double> t = scores();
    const sums s = sums_of(t);
    const std::int64_t target = of_row(rows_.targets);
    const long double below_max = s.max - t[static_cast<std::size_t>(target)];
    if (op_.kind == op_kind::cross_entropy) {
      const long double want = std::log(s.sum) + below_max, fine = (1 + want) * 0x1p-44L * into_.without_fma();
      into_.check_of_row(row_, "loss", of_row(rows_.loss), want, 2, fine);
      if (op_.has(row_option::lse))
        into_.check_of_row(row_, "lse", of_row(rows_.lse), s.lse(), 0.5L, 0x1p-25L * into_.without_fma());
      return;
    }
    // A given lse is rounded to f32, which is an error in the exponent.
    const long double scale = static_cast<long double>(loss_gradient) * scale_of(op_);
    const long double rounding = op_.has(row_option::lse) ? std::fabs(s.lse()) * 0x1p-24L : 0;
    sample(cols_, 512, [&](std::int64_t j) {
      const bool is_target = j == target;
      const long double p = std::exp(static_cast<long double>(t[static_cast<std::size_t>(j)] - s.max)) / s.sum;
      const long double beside = is_target ? 0x1p-48L + (rounding > 0 ? 0x1p-22L : 0) : 0;
      check_element(j, at(memory_.x(), j), scale * (p - (is_target ? 1 : 0)),
                    scale * (p * rounding + beside) * into_.without_fma());
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
      into_.check_of_row(row_, "expert", static_cast<float>(rows_.experts[place]), order[static_cast<std::size_t>(i)],
                         0, 0);
      into_.check_of_row(row_, "weight", rows_.weights[place], std::exp(static_cast<long double>(-below)) / sum,
                         op_.fast() ? 5 + below : 3, 0);
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
