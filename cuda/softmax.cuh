// Softmax in CUDA, in every form of the API. `softmax_rows`: a row stays in the registers of a group of lanes, a block
// or a cluster. `softmax_long_rows`: rows for which there are not enough of them, staged in shared memory or read three
// times. `softmax_columns`: rows side by side along an axis that is not contiguous. `coded`: results have 8 bits.
//
// Which thread has which element depends on a row's alignment; no result depends on that (exact_sum.hpp).
#pragma once

#include "codes.cuh"
#include "softmax_row.cuh"

namespace sigmax {
namespace {

/// A part of a row, of at most 2^30 columns; numbers count from its first.
struct row_window {
  const std::byte* x;
  std::byte* y;
  std::int64_t first;        ///< its place in the row
  int columns;               ///< that are written
  int begin, end;            ///< that are read
  std::uintptr_t addresses;  ///< of x, and of y as if its elements had the size of x's
};
template <bool coded>
SIGMAX_DEVICE row_window window_of(const softmax_arguments& a, const softmax_row& r, std::int64_t first,
                                   std::int64_t columns) {
  row_window w;
  w.first = first;
  const std::int64_t size = bytes_of(a.type[operand_x]);
  w.x = r.x + first * size;
  w.y = r.y + first * (coded ? 1 : bytes_of(a.type[operand_y]));
  const auto y = reinterpret_cast<std::uintptr_t>(w.y);
  w.addresses = reinterpret_cast<std::uintptr_t>(w.x) | (coded ? y * static_cast<std::uintptr_t>(size) : y);
  w.columns = static_cast<int>(columns);
  w.begin = static_cast<int>(clamp(r.begin - first, 0, columns));
  w.end = static_cast<int>(clamp(r.end - first, 0, columns));
  return w;
}

/// The least score whose logarithm is a finite number, as it is where the difference is one.
template <int n>
SIGMAX_DEVICE float least_finite(const row_scale& s, const float (&t)[n], float m) {
#pragma unroll
  for (int i = 0; i < n; ++i) m = t[i] - s.shift > no_score ? __builtin_fminf(m, t[i]) : m;
  return m;
}

/// The scores of a thread's elements.
template <int lanes, int chunks, bool coded>
struct score_tile : row_tile<lanes, chunks> {
  using base = row_tile<lanes, chunks>;
  using base::for_chunks, base::place, base::t;

  SIGMAX_DEVICE score_tile(const softmax_arguments& a, const row_window& w, unsigned l)
      : base(layout_of(w.columns, a.type[operand_x], w.addresses), l) {}

  SIGMAX_DEVICE bool is_read(const row_window& w, int c, int i) const {
    const int column = place(c, i);
    return column >= w.begin && column < w.end;
  }
  /// Loads scores; there are none but where the row is read.
  template <bool fused>
  SIGMAX_DEVICE void load_scores(const softmax_arguments& a, const softmax_row& r, const row_window& w) {
    base::load(w.x, a.type[operand_x], w.begin, w.end, false);
    if constexpr (!fused) return;
    for_chunks([&](int c) {
      if (a.scored) score(a, r, t[c], [&](int i) { return w.first + place(c, i); });
#pragma unroll
      for (int i = 0; i < chunk_size; ++i) t[c][i] = is_read(w, c, i) ? t[c][i] : no_score;
    });
  }

  SIGMAX_DEVICE float largest(bool& nan) {
    float m = no_score;
    for_chunks([&](int c) {
#pragma unroll
      for (int i = 0; i < chunk_size; i += 2) {
        m = __builtin_fmaxf(m, __builtin_fmaxf(t[c][i], t[c][i + 1]));
        nan = nan || t[c][i] != t[c][i] || t[c][i + 1] != t[c][i + 1];
      }
    });
    return m;
  }

  /// Scores become numerators, which are added up if `sums`; a logarithm needs the scores themselves.
  /// Returns what was added.
  SIGMAX_DEVICE exact_total exponentiate(const softmax_arguments& a, const row_scale& s, bool sums) {
    numerator_sum sum;
    for_chunks([&](int c) {
      float e[chunk_size];
      numerators(s, s.form, t[c], e);
      if (sums) add(sum, s.form, e);
#pragma unroll
      for (int i = 0; i < chunk_size; ++i) t[c][i] = a.logarithm ? t[c][i] : e[i];
    });
    return sigmax::total_of(sum, s.form, chunks * chunk_size);
  }

  /// `scale`: of codes.
  template <bool fused>
  SIGMAX_DEVICE void write(const softmax_arguments& a, const softmax_row& r, const row_window& w,
                           const row_result& result, float scale) {
    const dtype type = a.type[operand_y];
    for_chunks([&](int c) {
      finish_elements<fused>(a, r, result, t[c], [&](int i) { return w.first + place(c, i); });
      if constexpr (coded)
        store_coded(c, w.y, type, w.columns, scale);
      else
        base::store_chunk(c, w.y, type, w.columns);
    });
  }
  /// The codes of chunk c: 8 bytes of neighbours, twice 4, or bytes.
  SIGMAX_DEVICE void store_coded(int c, std::byte* y, dtype type, int columns, float scale) const {
    float q[chunk_size];
#pragma unroll
    for (int i = 0; i < chunk_size; ++i) q[i] = divide(t[c][i], scale);
    std::uint32_t words[chunk_size / 4];
    encode(q, type, words);
    const int column = place(0, 0), offset = c * base::chunk_columns, second = offset + chunk_size / 2 * lanes;
    y += column;
    if (base::layout == lane_layout::elements) {
#pragma unroll
      for (int i = 0; i < chunk_size; ++i)
        if (column < columns - offset - i * lanes) store_code(y + offset + i * lanes, code_at(words, i));
      return;
    }
    if (base::layout == lane_layout::eights) {
      if (column < columns - offset) store_codes(y + offset, words[0], words[1]);
      return;
    }
    if (column < columns - offset) sigmax::store(reinterpret_cast<std::uint32_t*>(y + offset), words[0]);
    if (column < columns - second) sigmax::store(reinterpret_cast<std::uint32_t*>(y + second), words[1]);
  }

  SIGMAX_DEVICE float least(const row_scale& s) const {
    float m = infinity;
    for_chunks([&](int c) { m = least_finite(s, t[c], m); });
    return m;
  }

  /// The sum of the scores that are read, for a smoothed loss.
  SIGMAX_DEVICE double score_sum(const row_window& w) {
    double sum = 0;
    for_chunks([&](int c) {
#pragma unroll
      for (int i = 0; i < chunk_size; ++i)
        if (is_read(w, c, i)) sum += static_cast<double>(t[c][i]);
    });
    return sum;
  }
};

/// The scale of a row's codes, told where it is wanted, as is the largest finite magnitude of the row's results. That
/// is the result of the largest score `most`, but of a logarithm that of the least one. So nothing is read or computed
/// again. `places`: of floats, for this exchange alone. `first`: this thread speaks for the row.
template <class Group>
SIGMAX_DEVICE float scale_of_codes(const softmax_arguments& a, const softmax_row& r, const row_scale& s,
                                   const row_result& result, Group group, float* places, std::int64_t row, float most,
                                   float least, bool first) {
  if (a.row_scales == nullptr && a.amax == nullptr) return a.code_scale;
  float t[1] = {most};
  if (!a.logarithm) {
    numerators(s, numerator_form::precise, t, t);
  } else {
    if constexpr (requires { group.exchange; }) group.exchange.largest = places;
    t[0] = -group.largest(-least);
  }
  finish_elements<true>(a, r, result, t, [](int) { return std::int64_t{0}; });
  const std::uint32_t best = larger(0, t[0]);
  const float scale = a.row_scales != nullptr ? scale_of_row(from_bits(best), a.type[operand_y]) : a.code_scale;
  if (!first) return scale;
  const auto tell = [&](std::byte* where, softmax_operand which, std::uint32_t v) {
    if (where != nullptr) store(reinterpret_cast<std::uint32_t*>(where + row_offset(a.rows, row, which)), v);
  };
  tell(a.row_scales, operand_row_scales, bits_of(scale));
  tell(a.amax, operand_amax, best);
  return scale;
}

template <int config, bool coded>
__global__ void __launch_bounds__(row_configs[config].threads, row_blocks(row_configs[config], coded))
    softmax_rows(softmax_arguments a) {
  constexpr bool fused = true;
  constexpr int lanes = row_configs[config].lanes, chunks = row_configs[config].chunks;
  constexpr unsigned threads = row_configs[config].threads, together = threads / lanes;
  constexpr bool clusters = lanes == most_lanes;
  using group_type = std::conditional_t<lanes <= 32, lane_group<lanes>, row_group<threads / 32, clusters>>;
  SIGMAX_ROW_EXCHANGE(places, lanes <= 32 ? 1 : most_parts);
  SIGMAX_SHARED(float, least_places, lanes <= 32 || !coded ? 1 : most_parts);
  group_type group(places);
  const unsigned blocks = group.together, rank = group.rank, lane = threadIdx.x % static_cast<unsigned>(lanes);
  const bool given = fused && a.finish;
  wait_for_previous_kernel();
  for (std::int64_t tile_row = a.rows.begin + std::int64_t{blockIdx.x / blocks} * together; tile_row < a.rows.end;
       tile_row += std::int64_t{gridDim.x / blocks} * together) {
    const std::int64_t number = tile_row + threadIdx.x / static_cast<unsigned>(lanes);
    const bool live = number < a.rows.end;  // else a copy of the last row, which writes nothing
    const std::int64_t row = live ? number : a.rows.end - 1;
    const softmax_row r = begin_row<fused>(a, row);
    row_window w = window_of<coded>(a, r, rank * a.span, clamp(a.columns - rank * a.span, 0, a.span));
    score_tile<lanes, chunks, coded> tile(a, w, lane);
    tile.template load_scores<fused>(a, r, w);
    bool nan = false;
    float most = tile.largest(nan);
    most = given ? value_of(a, row, operand_max, 0) : group.largest(most);
    const row_scale s = scale_of<fused>(a, r, most, a.precise);
    const double score_sum = fused && a.smoothing != 0 && a.partial ? group.add(tile.score_sum(w)) : 0;
    exact_total total = tile.exponentiate(a, s, !given);
    if (given)
      total = {};
    else
      total = total_of(a, r, s, group, total, nan, lane == 0 && rank == 0);
    const bool first = live && lane == 0 && rank == 0;
    const row_result result = finish_row<fused>(a, r, s, row, total, score_sum, first);
    if (fused && a.partial) continue;
    float scale = 1;
    if constexpr (coded)
      scale = scale_of_codes(a, r, s, result, group, least_places, row, most, a.logarithm ? tile.least(s) : 0, first);
    if (!live) w.columns = 0;
    tile.template write<fused>(a, r, w, result, scale);
  }
  group.leave();
  let_next_kernel_start();
}

/// A row for each cluster, in three passes: the largest score, the sum, the results. `staged`: what a thread has read
/// stays in its block's shared memory, as scores and then as numerators; only the thread itself looks at it.
template <bool fused, bool coded>
__global__ void __launch_bounds__(long_config.lanes) softmax_long_rows(softmax_arguments a) {
  constexpr int chunks = fused ? 1 : long_config.chunks;  // registers for more would spill
  using tile_type = score_tile<long_config.lanes, chunks, coded>;
  constexpr std::int64_t step = tile_type::base::chunk_columns * chunks;
  SIGMAX_ROW_EXCHANGE(places, most_parts);
  SIGMAX_SHARED(float, least_places, coded ? most_parts : 1);
  float* const stage = dynamic_shared<float>();
  row_group<long_config.lanes / 32, true> group(places);
  const unsigned blocks = group.together, rank = group.rank;
  const bool first = threadIdx.x == 0 && rank == 0, given = fused && a.finish;
  wait_for_previous_kernel();
  for (std::int64_t row = a.rows.begin + blockIdx.x / blocks; row < a.rows.end; row += gridDim.x / blocks) {
    const softmax_row r = begin_row<fused>(a, row);
    const std::int64_t begin = rank * a.span, count = clamp(a.columns - begin, 0, a.span);
    float most = given ? value_of(a, row, operand_max, 0) : no_score;
    bool nan = false;
    float least = infinity, scale = 1;
    double score_sum = 0;
    exact_total total{};
    row_scale s = scale_of<fused>(a, r, most, a.precise);
    row_result result{};
    if (given) result = finish_row<fused>(a, r, s, row, total, 0, false);
#pragma unroll 1
    for (int pass = given ? 2 : 0; pass < (fused && a.partial ? 2 : 3); ++pass) {
#pragma unroll 1
      for (std::int64_t done = 0; done < count; done += step) {
        const row_window w = window_of<coded>(a, r, begin + done, clamp(count - done, 0, step));
        tile_type tile(a, w, threadIdx.x);
        const bool kept = a.staged && pass > 0 && !given;
        const auto staged = [&](int c, int i) -> float& {
          return stage[done + (c * chunk_size + i) * long_config.lanes + threadIdx.x];
        };
        if (kept) {
          tile.for_chunks([&](int c) {
#pragma unroll
            for (int i = 0; i < chunk_size; ++i) tile.t[c][i] = staged(c, i);
          });
        } else {
          tile.template load_scores<fused>(a, r, w);
        }
        if (pass == 0) {
          most = __builtin_fmaxf(most, tile.largest(nan));
          if (fused && a.smoothing != 0 && a.partial) score_sum += tile.score_sum(w);
        } else if (pass == 1 || !(kept || a.logarithm)) {
          const exact_total added = tile.exponentiate(a, s, pass == 1);
          if (pass == 1) total.add(added);
          total.carry();
          if (coded && a.logarithm) least = __builtin_fminf(least, tile.least(s));
        }
        if (pass < 2 && a.staged) {
          tile.for_chunks([&](int c) {
#pragma unroll
            for (int i = 0; i < chunk_size; ++i) staged(c, i) = tile.t[c][i];
          });
        }
        if (pass == 2) tile.template write<fused>(a, r, w, result, scale);
      }
      if (pass == 0) {
        most = group.largest(most);
        s = scale_of<fused>(a, r, most, a.precise);
        if (fused && a.smoothing != 0 && a.partial) score_sum = group.add(score_sum);
      } else if (pass == 1) {
        total = total_of(a, r, s, group, total, nan, first);
        result = finish_row<fused>(a, r, s, row, total, score_sum, first);
        if constexpr (coded) scale = scale_of_codes(a, r, s, result, group, least_places, row, most, least, first);
      }
    }
  }
  group.leave();
  let_next_kernel_start();
}

/// 32 rows side by side, of each of which a block's warps take every eighth element; any strides and dtypes.
template <bool coded>
__global__ void __launch_bounds__(column_rows* column_warps, 2) softmax_columns(softmax_arguments a) {
  SIGMAX_ROW_EXCHANGE(places, column_rows * column_warps);
  SIGMAX_SHARED(float, least_places, coded ? column_rows* column_warps : 1);
  column_group group{places, column_warps};
  const unsigned warp = threadIdx.x / 32u;
  wait_for_previous_kernel();
  for (std::int64_t tile_row = a.rows.begin + std::int64_t{blockIdx.x} * column_rows; tile_row < a.rows.end;
       tile_row += std::int64_t{gridDim.x} * column_rows) {
    const std::int64_t number = tile_row + threadIdx.x % 32u;
    const bool live = number < a.rows.end;
    const std::int64_t row = live ? number : a.rows.end - 1;
    const softmax_row r = begin_row<true>(a, row);
    const std::int64_t x_step = a.x_stride * bytes_of(a.type[operand_x]),
                       y_step = a.y_stride * (coded ? 1 : bytes_of(a.type[operand_y]));
    float most = a.finish ? value_of(a, row, operand_max, 0) : no_score;
    bool nan = false;
    float least = infinity, scale = 1;
    double score_sum = 0;
    exact_total total{};
    row_scale s = scale_of<true>(a, r, most, a.precise);
    row_result result{};
    if (a.finish) result = finish_row<true>(a, r, s, row, total, 0, false);
#pragma unroll 1
    for (int pass = a.finish ? 2 : 0; pass < (a.partial ? 2 : 3); ++pass) {
#pragma unroll 1
      for (std::int64_t done = warp; done < a.columns; done += column_warps * column_step) {
        float t[column_step];
        const auto column = [&](int i) { return done + i * column_warps; };
        const auto is_read = [&](int i) { return column(i) >= r.begin && column(i) < r.end; };
#pragma unroll
        for (int i = 0; i < column_step; ++i)
          t[i] = is_read(i) ? load_element(r.x + column(i) * x_step, a.type[operand_x]) : 0.0f;
        if (a.scored) score(a, r, t, column);
#pragma unroll
        for (int i = 0; i < column_step; ++i) {
          t[i] = is_read(i) ? t[i] : no_score;
          if (pass == 0) {
            most = __builtin_fmaxf(most, t[i]);
            nan = nan || t[i] != t[i];
            if (is_read(i)) score_sum += static_cast<double>(t[i]);
          }
        }
        if (pass == 0) continue;
        float e[column_step];
        numerators(s, s.form, t, e);
        if (pass == 1) {
          numerator_sum sum;
          add(sum, s.form, e);
          total.add(total_of(sum, s.form, column_step));
          total.carry();
          if (coded && a.logarithm) least = least_finite(s, t, least);
          continue;
        }
#pragma unroll
        for (int i = 0; i < column_step; ++i) t[i] = a.logarithm ? t[i] : e[i];
        finish_elements<true>(a, r, result, t, column);
        std::uint32_t words[column_step / 4] = {};
        if constexpr (coded) {
#pragma unroll
          for (int i = 0; i < column_step; ++i) t[i] = divide(t[i], scale);
          encode(t, a.type[operand_y], words);
        }
#pragma unroll
        for (int i = 0; i < column_step; ++i) {
          if (!live || column(i) >= a.columns) continue;
          std::byte* const y = r.y + column(i) * y_step;
          coded ? store_code(y, code_at(words, i)) : store_element(y, a.type[operand_y], t[i]);
        }
      }
      if (pass == 0) {
        most = group.largest(most);
        s = scale_of<true>(a, r, most, a.precise);
        if (a.smoothing != 0 && a.partial) score_sum = group.add(score_sum);
      } else if (pass == 1) {
        total = total_of(a, r, s, group, total, nan, warp == 0);
        const bool first = live && warp == 0;
        result = finish_row<true>(a, r, s, row, total, score_sum, first);
        if constexpr (coded) scale = scale_of_codes(a, r, s, result, group, least_places, row, most, least, first);
      }
    }
  }
  let_next_kernel_start();
}

}  // namespace
}  // namespace sigmax
