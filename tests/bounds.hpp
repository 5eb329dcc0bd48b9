// The documented bounds of softmax, its gradients, losses and gating over rows of every kind: dominated by one number,
// in clusters, far from zero, next to underflow, of few values. Over normal distributions alone some looked tighter.
// A Place is where calls are made: `name`, `batches`, with(tier) for their options; in(v, type, shape) and
// out(v, type, shape), views of what v holds; fetch(), after which v holds what calls wrote there.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "harness.hpp"
#include "reference.hpp"

namespace sigmax_test {

using real = long double;

/// One ULP of an f32 of that size.
inline real unit(real size) { return sigmax_reference::unit_of(std::fmax(std::fabs(size), 0x1p-126L)); }

inline std::vector<float> row_of_any_kind(std::int64_t n, std::mt19937& random) {
  const auto between = [&](double a, double b) { return std::uniform_real_distribution<double>(a, b)(random); };
  std::normal_distribution<double> normal;
  const auto kind = random() % 12;
  const double deviation = std::exp2(between(-14, 7));
  const double offset = random() % 3 == 0 ? between(-1, 1) * std::exp2(between(0, 24)) : 0;
  const double level = between(-20, 0);
  std::vector<float> x;
  for (std::int64_t i = 0; i < n; ++i) {
    double v = 0;  // as it stays in one kind
    switch (kind) {
      case 0: v = normal(random) * deviation; break;
      case 1: v = between(-1, 1) * deviation; break;
      case 2: v = i == 0 ? between(0, 110) : normal(random); break;
      case 3: v = random() % 2 != 0 ? 0 : between(-120, 0); break;
      case 4: v = -static_cast<double>(i) * between(0, 1) * deviation; break;
      case 5: v = -std::exp2(between(-20, 7)); break;
      case 6: v = i == 0 ? 0 : between(-110, -80); break;
      case 7: v = std::floor(between(-64, 64)) / 8; break;
      case 8: v = random() % 3 == 0 ? -INFINITY : normal(random) * deviation; break;
      case 9: v = i < n / 2 ? between(-2, 0) : between(-20, -10); break;
      case 10: v = i == 0 ? 0 : level; break;
      default: break;
    }
    x.push_back(static_cast<float>(v + offset));
  }
  std::shuffle(x.begin(), x.end(), random);
  return x;
}

/// Rows of n columns, one behind the other.
struct batch_of_rows {
  std::int64_t n, rows;
  std::vector<float> x;
  std::int64_t shape[2], one_a_row[2];
  batch_of_rows(std::mt19937& random) {
    constexpr std::int64_t sizes[] = {1, 2, 3, 5, 8, 17, 31, 32, 33, 64, 65, 100, 200, 300, 512, 1024, 2000, 20000};
    n = sizes[random() % std::size(sizes)];
    rows = n > 1024 ? 1 : random() % 3 == 0 ? 1 : 1 + static_cast<std::int64_t>(random() % 20);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::vector<float> row = row_of_any_kind(n, random);
      x.insert(x.end(), row.begin(), row.end());
    }
    shape[0] = one_a_row[0] = rows, shape[1] = n, one_a_row[1] = 1;
  }
};

/// Views of f32 at a place, of elements or of one number a row.
template <class Place>
struct tensors_at {
  Place& place;
  const batch_of_rows& batch;
  const_view in(const std::vector<float>& v) const { return place.in(v, dtype::f32, batch.shape); }
  view out(std::vector<float>& v) const { return place.out(v, dtype::f32, batch.shape); }
  const_view each_in(const std::vector<float>& v) const { return place.in(v, dtype::f32, batch.one_a_row); }
  view each(std::vector<float>& v) const { return place.out(v, dtype::f32, batch.one_a_row); }
};

/// What the scores of one row come to.
struct exact_row {
  std::vector<real> t;
  real max = -INFINITY, rest = 0, sum = 1, log_sum = 0;  ///< rest: the sum but for one that is the largest
  exact_row(const float* x, std::int64_t n, float scale = 1) {
    for (std::int64_t i = 0; i < n; ++i) t.push_back(x[i] * scale);
    const auto largest = std::max_element(t.begin(), t.end());
    max = *largest;
    for (auto i = t.begin(); i != t.end(); ++i) rest += i != largest ? std::exp(*i - max) : 0;
    sum = 1 + rest, log_sum = std::log1p(rest);
  }
};

/// What the sum of n columns may be off by, relatively: r(n) of sigmax.hpp.
inline real sum_error(std::int64_t n) {
  const auto columns = static_cast<real>(n);
  return 0x1p-45L + (n < 16384 ? columns * columns * 0x1p-54L : columns * 0x1p-40L);
}

/// How near errors come to their bounds.
struct bound {
  const char* name;
  double worst = 0;
  void take(real error, real most) {
    const auto part = static_cast<double>(error / most);
    worst = std::isnan(part) ? INFINITY : std::fmax(worst, part);
  }
  void expect_kept(const char* place) const {
    std::printf("  %-22s %-8s %.3f of the bound\n", name, place, worst);
    EXPECT_LE(worst, 1) << name << ' ' << place;
  }
};

template <class Place>
void expect_softmax_bounds(Place& place) {
  for (const sigmax::accuracy tier : tiers) {
    const bool high = tier == sigmax::accuracy::high;
    std::mt19937 random(1);
    bound y_bound{high ? "softmax" : "softmax fast"}, log_bound{high ? "log_softmax" : "log_softmax fast"},
        sum_bound{high ? "sum" : "sum fast"}, lse_bound{high ? "lse" : "lse fast"};
    for (int b = 0; b < place.batches; ++b) {
      const batch_of_rows in(random);
      const tensors_at<Place> at{place, in};
      std::vector<float> y(in.x.size()), logarithm(y), sum(static_cast<std::size_t>(in.rows)), lse(sum);
      softmax_form form;
      form.sum = at.each(sum), form.lse = at.each(lse);
      ASSERT_TRUE(softmax(at.in(in.x), at.out(y), 1, place.with(tier)).ok());
      ASSERT_TRUE(log_softmax(at.in(in.x), at.out(logarithm), 1, place.with(tier)).ok());
      ASSERT_TRUE(softmax_partial(at.in(in.x), 1, form, place.with(tier)).ok());
      place.fetch();
      for (std::int64_t r = 0; r < in.rows; ++r) {
        const exact_row exact(&in.x[static_cast<std::size_t>(r * in.n)], in.n);
        if (!std::isfinite(exact.max)) continue;
        sum_bound.take(std::fabs(sum[static_cast<std::size_t>(r)] - exact.sum),
                       (high ? 2 : 5) * unit(exact.sum) + sum_error(in.n) * exact.sum);
        const real l = exact.max + exact.log_sum;
        lse_bound.take(std::fabs(lse[static_cast<std::size_t>(r)] - l),
                       0.51L * unit(l) + (high ? 0x1p-23L + sum_error(in.n) : 0x1p-21L));
        for (std::int64_t i = 0; i < in.n; ++i) {
          const auto j = static_cast<std::size_t>(r * in.n + i);
          const real below = exact.t[static_cast<std::size_t>(i)] - exact.max, p = std::exp(below) / exact.sum,
                     log_p = below - exact.log_sum;
          if (p >= 0x1p-126L)
            y_bound.take(std::fabs(y[j] - p), (high ? 3.5L : 6 - below / 16) * unit(p) + sum_error(in.n) * p);
          if (!std::isfinite(log_p)) continue;
          const real most = !high               ? std::fmax(2.5L * unit(log_p), 0x1p-22L)
                            : log_p > -0x1p-22L ? sum_error(in.n)
                                                : (log_p > -0x1p-10L ? 3 : 2) * unit(log_p) + sum_error(in.n);
          log_bound.take(std::fabs(logarithm[j] - log_p), most);
        }
      }
    }
    for (const bound& each : {y_bound, log_bound, sum_bound, lse_bound}) each.expect_kept(place.name);
  }
}

template <class Place>
void expect_gradient_bounds(Place& place) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  bound of_softmax{"softmax gradient"}, of_log{"log_softmax gradient"};
  for (int b = 0; b < place.batches; ++b) {
    const batch_of_rows in(random);
    const tensors_at<Place> at{place, in};
    std::vector<float> y(in.x.size()), logarithm(y), dy(y), dx(y), d_log(y);
    const auto kind = random() % 4;
    const double size = std::exp2(std::uniform_real_distribution<double>(-20, 20)(random));
    for (float& v : dy)
      v = static_cast<float>(size * (kind == 0   ? normal(random)
                                     : kind == 1 ? 1 + normal(random) / 4096
                                     : kind == 2 ? (random() % 8 != 0 ? 0 : normal(random))
                                                 : normal(random) * (random() % 2 != 0 ? 0x1p-20 : 1)));
    const float scale = random() % 2 != 0 ? 1 : static_cast<float>(normal(random));
    ASSERT_TRUE(softmax(at.in(in.x), at.out(y), 1, place.with()).ok());
    ASSERT_TRUE(log_softmax(at.in(in.x), at.out(logarithm), 1, place.with()).ok());
    place.fetch();
    ASSERT_TRUE(softmax_gradient(at.in(dy), at.in(y), at.out(dx), 1, scale, place.with()).ok());
    ASSERT_TRUE(log_softmax_gradient(at.in(dy), at.in(logarithm), at.out(d_log), 1, scale, place.with()).ok());
    place.fetch();
    for (std::int64_t r = 0; r < in.rows; ++r) {
      const auto begin = static_cast<std::size_t>(r * in.n), end = begin + static_cast<std::size_t>(in.n);
      real dot = 0, sum = 0, largest = 0, magnitudes = 0;
      for (std::size_t i = begin; i < end; ++i) {
        dot += static_cast<real>(dy[i]) * y[i], sum += dy[i];
        largest = std::fmax(largest, std::fabs(static_cast<real>(dy[i])));
        magnitudes += std::fabs(static_cast<real>(dy[i]));
      }
      if (!std::isfinite(dot)) continue;
      for (std::size_t i = begin; i < end; ++i) {
        const real p = static_cast<real>(scale) * y[i], exact = p * (dy[i] - dot);
        if (std::fabs(p) >= 0x1p-126L)
          of_softmax.take(std::fabs(dx[i] - exact), 2.5L * unit(exact) + std::fabs(p) * largest * 2 * sum_error(in.n));
        const real e = std::exp(static_cast<real>(logarithm[i])), direct = static_cast<real>(scale) * dy[i],
                   all = direct - scale * e * sum;
        if (e >= 0x1p-126L)
          of_log.take(std::fabs(d_log[i] - all), 4 * unit(std::fmax(std::fabs(all), std::fabs(direct))) +
                                                     std::fabs(scale * e) * magnitudes * 2 * sum_error(in.n));
      }
    }
  }
  of_softmax.expect_kept(place.name);
  of_log.expect_kept(place.name);
}

template <class Place>
void expect_loss_bounds(Place& place) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  bound of_loss{"cross_entropy"}, of_smoothed{"cross_entropy smoothed"}, of_gradient{"cross_entropy gradient"};
  for (int b = 0; b < place.batches; ++b) {
    const batch_of_rows in(random);
    const tensors_at<Place> at{place, in};
    const auto rows = static_cast<std::size_t>(in.rows);
    std::vector<float> loss(rows), dloss(rows), dx(in.x.size());
    std::vector<std::int32_t> target(rows);
    for (std::int32_t& t : target) t = static_cast<std::int32_t>(random() % static_cast<std::size_t>(in.n));
    for (float& v : dloss) v = static_cast<float>(normal(random));
    cross_entropy_form form;
    form.scale = random() % 2 != 0 ? 1 : static_cast<float>(normal(random));
    form.label_smoothing = random() % 2 != 0 ? 0 : std::uniform_real_distribution<float>(0, 1)(random);
    const const_view targets = place.in(target, dtype::i32, in.one_a_row);
    ASSERT_TRUE(cross_entropy(at.in(in.x), targets, at.each(loss), 1, form, place.with()).ok());
    ASSERT_TRUE(
        cross_entropy_gradient(at.each_in(dloss), at.in(in.x), targets, at.out(dx), 1, form, place.with()).ok());
    place.fetch();
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t begin = r * static_cast<std::size_t>(in.n);
      const exact_row exact(&in.x[begin], in.n, form.scale);
      if (!std::isfinite(exact.max)) continue;
      const real e = form.label_smoothing, even = e / static_cast<real>(in.n);
      real mean = 0, largest = 0;
      for (const real t : exact.t) mean += t / static_cast<real>(in.n), largest = std::fmax(largest, std::fabs(t));
      const real hit = exact.max - exact.t[static_cast<std::size_t>(target[r])] + exact.log_sum,
                 spread = exact.max - mean + exact.log_sum;
      if (e == 0 && std::isfinite(hit))
        of_loss.take(std::fabs(loss[r] - hit), 2 * unit(hit) + 2 * sum_error(in.n) * (1 + std::fabs(hit)));
      if (e > 0 && std::isfinite(mean))
        of_smoothed.take(std::fabs(loss[r] - ((1 - e) * hit + e * spread)),
                         3 * unit(std::fmax((1 - e) * hit, e * spread)) + 2 * sum_error(in.n) + 0x1p-50L * largest);
      const real f = static_cast<real>(dloss[r]) * form.scale;
      for (std::size_t i = 0; i < exact.t.size(); ++i) {
        const bool at_target = static_cast<std::int32_t>(i) == target[r];
        const real p = std::exp(exact.t[i] - exact.max) / exact.sum,
                   // 1 less of a probability near 1 is what the others have
            first = !at_target                ? p
                    : exact.t[i] == exact.max ? -exact.rest / exact.sum
                                              : p - 1,
                   second = at_target ? e - even : -even;
        const real term = std::fmax(std::fabs(f * first), std::fabs(f * second));
        if (term >= 0x1p-126L)
          of_gradient.take(std::fabs(dx[begin + i] - f * (first + second)),
                           3 * unit(term) + std::fabs(f) * sum_error(in.n));
      }
    }
  }
  for (const bound& each : {of_loss, of_smoothed, of_gradient}) each.expect_kept(place.name);
}

template <class Place>
void expect_gating_bounds(Place& place) {
  for (const sigmax::accuracy tier : tiers) {
    const bool high = tier == sigmax::accuracy::high;
    std::mt19937 random(4);
    bound of_softmax{high ? "gating" : "gating fast"}, of_sigmoid{high ? "gating sigmoid" : "gating sigmoid fast"};
    for (int b = 0; b < place.batches; ++b) {
      const batch_of_rows in(random);
      const tensors_at<Place> at{place, in};
      if (in.n > 1024) continue;
      const std::int64_t k = 1 + static_cast<std::int64_t>(random()) % std::min<std::int64_t>(in.n, 10);
      const std::int64_t shape[] = {in.rows, k};
      std::vector<float> weights(static_cast<std::size_t>(in.rows * k));
      std::vector<std::int32_t> experts(weights.size());
      gating_form form;
      form.sigmoid = random() % 2 != 0, form.renormalise = random() % 2 != 0;
      ASSERT_TRUE(top_k_gating(at.in(in.x), place.out(weights, dtype::f32, shape),
                               place.out(experts, dtype::i32, shape), 1, form, place.with(tier))
                      .ok());
      place.fetch();
      for (std::int64_t r = 0; r < in.rows; ++r) {
        const exact_row exact(&in.x[static_cast<std::size_t>(r * in.n)], in.n);
        if (!std::isfinite(exact.max)) continue;
        const auto logit = [&](std::int64_t i) {
          return exact.t[static_cast<std::size_t>(experts[static_cast<std::size_t>(r * k + i)])];
        };
        const auto score = [&](std::int64_t i) {
          return form.sigmoid ? 1 / (1 + std::exp(-logit(i))) : std::exp(logit(i) - exact.max) / exact.sum;
        };
        real total = form.renormalise ? 0 : 1;
        for (std::int64_t i = 0; i < k && form.renormalise; ++i) total += score(i);
        for (std::int64_t i = 0; i < k; ++i) {
          const real weight = score(i) / total;
          const real ulps = form.sigmoid ? (form.renormalise ? 5.5L : 3.5L) : high ? 3.5L : 6 + exact.max - logit(i);
          if (weight >= 0x1p-126L)
            (form.sigmoid ? of_sigmoid : of_softmax)
                .take(std::fabs(weights[static_cast<std::size_t>(r * k + i)] - weight),
                      ulps * unit(weight) + 0x1p-121L);
        }
      }
    }
    of_softmax.expect_kept(place.name);
    of_sigmoid.expect_kept(place.name);
  }
}

}  // namespace sigmax_test
