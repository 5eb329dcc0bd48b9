// Softmax of rows whose columns lie on several ranks, such as the logits of a vocabulary that is cut over machines, and
// the check of every element of it. `mpiexec -n 2 sigmax_mpi_softmax`; NCCL's form of it is nccl_softmax.cpp.
#include <sigmax/sigmax.hpp>

#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "../reference.hpp"

namespace {

using namespace sigmax;

void must(const status& s) {
  if (s) return;
  std::fprintf(stderr, "%s\n", s.message);
  MPI_Abort(MPI_COMM_WORLD, 1);  // the others wait in a collective call
}

// --- the example ----------------------------------------------------------------------------------------------------

/// A form whose max and sum are the members of `state`: every second float of it, so that one message holds both.
softmax_form form_with(std::vector<softmax_state>& state) {
  static_assert(sizeof(softmax_state) == 2 * sizeof(float));
  const std::int64_t shape[] = {static_cast<std::int64_t>(state.size()), 1}, every_second[] = {2, 1};
  softmax_form form;
  form.max = view(&state[0].max, dtype::f32, shape, every_second);
  form.sum = view(&state[0].sum, dtype::f32, shape, every_second);
  return form;
}

/// softmax and log_softmax of rows of which `x` holds this rank's columns. 8 bytes a row leave each rank. Returns the
/// state of the whole rows, the same bits on every rank, because all merge in the order of ranks.
std::vector<softmax_state> softmax_over_ranks(const const_view& x, const view& y, const view& log_y, MPI_Comm ranks) {
  int size = 0;
  MPI_Comm_size(ranks, &size);
  const auto rows = static_cast<std::size_t>(x.shape[0]);
  std::vector<softmax_state> mine(rows), all(rows * static_cast<std::size_t>(size)), whole(rows);

  must(softmax_partial(x, 1, form_with(mine)));

  const int floats = static_cast<int>(2 * rows);
  MPI_Allgather(mine.data(), floats, MPI_FLOAT, all.data(), floats, MPI_FLOAT, ranks);
  for (std::size_t i = 0; i < all.size(); ++i) whole[i % rows] = merge(whole[i % rows], all[i]);

  softmax_form form = form_with(whole);
  must(softmax_finish(x, y, 1, form));
  form.logarithm = true;
  must(softmax_finish(x, log_y, 1, form));
  return whole;
}

// --- its check ------------------------------------------------------------------------------------------------------

constexpr float inf = INFINITY;
enum row_kind {
  narrow,
  wide,
  masked_on_first,
  largest_on_last,
  far_larger_on_last,
  rising_with_the_rank,
  one_score,
  no_score,
  nan_on_last,
  infinite_on_first,
  row_kinds
};
constexpr int row_count = 4 * row_kinds;

/// A whole row. Every rank makes all of it, keeps its own columns for the example, and the rest for the reference.
std::vector<float> logits(int number, const std::vector<std::int64_t>& cuts) {
  const int kind = number % row_kinds;
  std::mt19937 random(static_cast<unsigned>(number));
  std::normal_distribution<float> normal(0, kind == wide ? 30.0f : 3.0f);
  const std::int64_t n = cuts.back(), last = n - 1;
  std::vector<float> row;
  for (std::int64_t k = 0; k < n; ++k) {
    const auto rank = std::upper_bound(cuts.begin(), cuts.end(), k) - cuts.begin() - 1;
    float v = normal(random);
    if (kind == masked_on_first && rank == 0) v = -inf;
    if (kind == largest_on_last && k == last) v = 25;
    if (kind == far_larger_on_last && k == last) v = 500;
    if (kind == rising_with_the_rank) v += 10 * static_cast<float>(rank);
    if ((kind == one_score && k != last) || kind == no_score) v = -inf;
    if (kind == nan_on_last && k == last) v = NAN;
    if (kind == infinite_on_first && k == 0) v = inf;
    row.push_back(v);
  }
  return row;
}

struct verdict {
  int failures = 0;
  double worst[2] = {};  // of softmax in ULP, of log_softmax as a part of its bound

  void element(int number, std::int64_t column, int merges, float y, long double exact, float log_y,
               long double log_exact) {
    using sigmax_reference::ulp_error, sigmax_reference::unit_of;
    // 2.5 ULP of softmax_finish, 1 of each merge.
    const double bound = 2.5 + merges, error = ulp_error(y, exact);
    // 1.5 ULP of softmax_finish, 2^-46 next to 0; 1 ULP of a sum is at most 2^-23 of it, and so much of its logarithm.
    double log_bound = 0;
    const double log_error = ulp_error(log_y, log_exact);
    if (std::isfinite(log_exact)) {
      const long double unit = unit_of(std::fmax(std::fabs(log_exact), 0x1p-126L));
      log_bound = static_cast<double>(((log_exact < -0x1p-22L ? 1.5L * unit : 0x1p-46L) + merges * 0x1p-23L) / unit);
      worst[1] = std::max(worst[1], log_error / log_bound);
    }
    worst[0] = std::max(worst[0], error);
    if (error <= bound && log_error <= log_bound) return;
    if (++failures <= 3)
      std::fprintf(stderr, "row %d, column %lld: softmax %.9g not %.9Lg, or log_softmax %.9g not %.9Lg\n", number,
                   static_cast<long long>(column), static_cast<double>(y), exact, static_cast<double>(log_y),
                   log_exact);
  }
};

/// The example on rows of cuts.back() columns, of which rank r holds those from cuts[r] to cuts[r + 1].
verdict check(const std::vector<std::int64_t>& cuts, int rank, MPI_Comm ranks) {
  verdict all;
  const std::int64_t first = cuts[static_cast<std::size_t>(rank)],
                     columns = cuts[static_cast<std::size_t>(rank) + 1] - first;
  std::vector<float> x;
  for (int number = 0; number < row_count; ++number) {
    const std::vector<float> row = logits(number, cuts);
    x.insert(x.end(), row.begin() + first, row.begin() + first + columns);
  }
  std::vector<float> y(x.size(), -1), log_y(x.size(), 1);
  const auto rows = [&](auto& values) { return view(values.data(), dtype::f32, {row_count, columns}); };
  const std::vector<softmax_state> state = softmax_over_ranks(rows(x), rows(y), rows(log_y), ranks);

  std::vector<softmax_state> state_of_first = state;
  MPI_Bcast(state_of_first.data(), 2 * row_count, MPI_FLOAT, 0, ranks);
  if (std::memcmp(state.data(), state_of_first.data(), row_count * sizeof(softmax_state)) != 0) {
    std::fprintf(stderr, "rank %d merged to other bits than rank 0\n", rank);
    ++all.failures;
  }
  // The state that has no scores merges exactly: one merge less than ranks rounds.
  const int merges = static_cast<int>(cuts.size()) - 2;
  for (int number = 0; number < row_count; ++number) {
    const sigmax_reference::softmax_row exact = sigmax_reference::softmax(logits(number, cuts));
    for (std::int64_t k = 0; k < columns; ++k) {
      const auto here = static_cast<std::size_t>(number * columns + k), there = static_cast<std::size_t>(first + k);
      all.element(number, first + k, merges, y[here], exact.probability[there], log_y[here], exact.logarithm[there]);
    }
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, size = 0, failures = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size < 2) {  // also what a launcher of another MPI gives
    std::fprintf(stderr, "one rank shows nothing: mpiexec -n 2 %s\n", argv[0]);
    failures = 1;
  } else {
    // GPT-2's vocabulary, and down to one column, which leaves nothing for all ranks but the last.
    for (std::int64_t n : {50257, 1000, 100, 10, 1}) {
      std::vector<std::int64_t> cuts;
      for (std::int64_t r = 0; r <= size; ++r) cuts.push_back(n * r * r / (size * size));  // uneven
      verdict mine = check(cuts, rank, MPI_COMM_WORLD), all;
      MPI_Reduce(&mine.failures, &all.failures, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
      MPI_Reduce(mine.worst, all.worst, 2, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
      if (rank == 0)
        std::printf("%d ranks, %lld columns: softmax %.2f ULP of %.1f, log_softmax %.2f of its bound, %d failures\n",
                    size, static_cast<long long>(n), all.worst[0], 2.5 + 2 * (size - 1), all.worst[1], all.failures);
      failures += mine.failures;
    }
  }
  MPI_Finalize();
  return failures == 0 ? 0 : 1;
}
