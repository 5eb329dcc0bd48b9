// How a softmax call becomes a launch: the tier of a row, the threads that share it, and the numbers a kernel needs.
// Plain arithmetic; nothing here touches memory or the CUDA runtime, so tests/simt/softmax_policy_test.cpp holds all of
// it. A tier follows from the length of a row and from the device; the number of rows says at most how many blocks have
// one. A row's bits depend on neither (cuda/exact_sum.hpp).
#pragma once

#include <span>

#include "../kernels/dispatch.hpp"
#include "policy.hpp"

namespace sigmax {

/// Elements go through a kernel by chunks of so many a thread.
inline constexpr int chunk_size = 8;

/// The kernels whose rows stay in registers: `lanes` threads share a row, each has `chunks` chunks of it, and so many
/// `blocks` of them must fit on a multiprocessor, which bounds their registers. By rising length; the last one's rows
/// may have a cluster. Beyond 32 elements a thread a second block would lack registers; a block of more than 512
/// threads leaves none to load while another computes.
struct row_config {
  int lanes, chunks, blocks, threads;
  constexpr row_config(int l, int c, int b) noexcept : lanes(l), chunks(c), blocks(b), threads(l < 128 ? 128 : l) {}
  constexpr int columns() const noexcept { return lanes * chunks * chunk_size; }
};
inline constexpr row_config row_configs[] = {{8, 1, 6}, {32, 1, 6}, {32, 4, 4}, {128, 4, 4}, {256, 4, 2}, {512, 2, 1}};
/// Rows of codes: on sm_100 a warp's lacked registers for as many blocks.
constexpr int row_blocks(const row_config& c, bool coded) noexcept { return c.blocks - (coded && c.lanes <= 32); }
/// For gradients, which hold two rows.
inline constexpr row_config gradient_configs[] = {{8, 1, 8},   {32, 1, 8},  {32, 2, 5},
                                                  {128, 2, 5}, {256, 2, 2}, {512, 2, 1}};
/// Of a gate, up to most_experts.
inline constexpr row_config gating_configs[] = {{8, 1, 6}, {32, 1, 6}, {32, 4, 2}};
static_assert(gating_configs[std::size(gating_configs) - 1].columns() == most_experts);

/// Rows of so many lanes may have a cluster of blocks.
inline constexpr int most_lanes = 512;

/// The kernels whose rows wait in shared memory as they are: the lanes that share one, and words of 16 bytes for which
/// they are chosen, 8 a lane. With more of them shared memory would leave room for too few warps, with fewer what is
/// done once a row would cost more; both were slower on an H200. A lane alone has no more than two, or neighbouring
/// lanes would be too far apart. Longer rows than the last but one may have a cluster; of the last one's rows only a
/// part waits.
struct staged_config {
  int lanes, words, threads;
  constexpr explicit staged_config(int l) noexcept : lanes(l), words(l == 1 ? 2 : 8 * l), threads(l <= 32 ? 128 : l) {}
};
inline constexpr staged_config staged_configs[] = {
    staged_config{1},  staged_config{2},   staged_config{4},   staged_config{8},   staged_config{16}, staged_config{32},
    staged_config{64}, staged_config{128}, staged_config{256}, staged_config{512}, staged_config{512}};
inline constexpr int passing_config = static_cast<int>(std::size(staged_configs)) - 1;
inline constexpr int most_staged_lanes = 512;  ///< such rows may have a cluster
/// Of a longer row than shared memory holds a thread has so many words on their way: 48 KiB a block, which CUB's
/// DeviceTransform wants of an H200 (cub/device/dispatch/tuning).
inline constexpr int ring_slots = 6;
/// Numbers that a thread adds up at most: exact_sum.hpp.
inline constexpr int most_summands = 512;
/// So many numbers of a row, in two pieces, add up below 2^64 of the second one's units.
inline constexpr std::int64_t most_units = 1 << 20;
/// Up to here precise numerators are added up in two pieces for probabilities: what that leaves out is below 2^-43.5 of
/// the largest one each, and so below 2^-25.5 of the sum, whatever the row.
inline constexpr std::int64_t most_in_two = 1 << 18;

/// Blocks of a cluster that every device with clusters can run.
inline constexpr int most_cluster = 8;
inline constexpr int cluster_architecture = 90;

/// In shared memory beside the scores: what the warps tell each other.
inline constexpr std::int64_t exchange_bytes = 8 * 1024;

/// Of the kernel for long rows: threads, and elements of each in one step.
inline constexpr row_config long_config = {512, 2, 1};
inline constexpr std::int64_t long_columns = long_config.columns();
/// Of the kernel whose axis is not contiguous: rows side by side, warps along the axis, elements of each in one step.
inline constexpr int column_rows = 32, column_warps = 8, column_step = 4;

enum class softmax_tier {
  words,    ///< in shared memory as they are, of a group of lanes, a block or a cluster
  rows,     ///< in registers, of a group of lanes, a block or a cluster
  staged,   ///< in the shared memory of a block or a cluster, as f32
  passes,   ///< read three times
  columns,  ///< the axis is not contiguous
};

struct softmax_choice {
  softmax_tier tier;
  int config;                 ///< of those of its kernels, for `rows`
  int cluster;                ///< blocks that share a row
  std::int64_t span;          ///< columns of each of them; for `words` words
  std::int64_t shared_bytes;  ///< dynamic, of a block
  std::int64_t held = 0;      ///< words of each thread that stay in shared memory, for `words`
};

/// A step of the kernel for long rows has its place in shared memory, whole.
inline constexpr std::int64_t staged_columns = long_columns;

inline constexpr row_config long_gradient = {512, 1, 1};
inline constexpr std::int64_t long_gradient_columns = long_gradient.columns();

/// Registers of a group of threads or of a cluster, if they hold the row.
constexpr bool choose_config(std::int64_t columns, std::span<const row_config> configs, const device_limits& device,
                             softmax_choice& choice) noexcept {
  const int last = static_cast<int>(configs.size()) - 1;
  for (int i = 0; i <= last; ++i)
    if (columns <= configs[static_cast<std::size_t>(i)].columns()) {
      choice = {softmax_tier::rows, i, 1, columns, 0};
      return true;
    }
  for (int c = 2; device.architecture >= cluster_architecture && c <= most_cluster; c *= 2)
    if (columns <= std::int64_t{c} * configs.back().columns()) {
      choice = {softmax_tier::rows, last, c, divide_up(divide_up(columns, c), chunk_size) * chunk_size, 0};
      return true;
    }
  return false;
}

/// A row that lies in so many words of 16 bytes, of elements of so many bytes, unless a thread would have too many. Of
/// few rows more blocks take one each, as long as there are multiprocessors and two words for each of their threads.
constexpr bool choose_words(std::int64_t words, std::int64_t size, std::int64_t rows, const device_limits& device,
                            softmax_choice& choice) noexcept {
  constexpr int last = passing_config - 1;
  int config = 0, cluster = 1;
  while (config < last && words > staged_configs[config].words) ++config;
  const staged_config& c = staged_configs[config];
  const int most = config == last && device.architecture >= cluster_architecture ? most_cluster : 1;
  const auto idle = [&] { return rows * cluster * 2 <= device.multiprocessors && words > cluster * 4 * c.lanes; };
  while (cluster < most && (words > std::int64_t{cluster} * c.words || idle())) cluster *= 2;
  const std::int64_t span = divide_up(words, cluster), each = divide_up(span, c.lanes), turn = c.threads * vector_bytes;
  const std::int64_t room = (device.shared_bytes - exchange_bytes) / turn;
  const bool passing = each > room;
  choice = {softmax_tier::words,
            passing ? passing_config : config,
            cluster,
            span,
            turn * (passing ? room : each),
            passing ? room - ring_slots : each};
  return each * (vector_bytes / size) <= most_summands;
}
/// A row of so many elements along a contiguous axis.
constexpr softmax_choice choose_softmax(std::int64_t columns, const device_limits& device) noexcept {
  softmax_choice choice{};
  if (choose_config(columns, row_configs, device, choice)) return choice;
  const int together = device.architecture >= cluster_architecture ? most_cluster : 1;
  // A step of the kernel for long rows has its place in shared memory, whole.
  const std::int64_t span = divide_up(divide_up(columns, together), long_columns) * long_columns;
  if (span * 4 <= device.shared_bytes - exchange_bytes) return {softmax_tier::staged, 0, together, span, span * 4};
  return {softmax_tier::passes, 0, together, span, 0};
}
constexpr softmax_choice choose_gradient(std::int64_t columns, const device_limits& device) noexcept {
  softmax_choice choice{};
  if (choose_config(columns, gradient_configs, device, choice)) return choice;
  const int together = device.architecture >= cluster_architecture ? most_cluster : 1;
  const std::int64_t span = divide_up(divide_up(columns, together), long_gradient_columns) * long_gradient_columns;
  return {softmax_tier::passes, 0, together, span, 0};
}

/// Where row number n lies in each operand. Strides in bytes, but for operand_query in rows.
template <int operands>
struct row_nest {
  std::int64_t begin, end;  ///< rows
  std::int32_t rank;
  bool narrow;  ///< every row's number is below 2^31
  std::int64_t extent[max_rank];
  divider by[max_rank];  ///< if narrow, for all but the outermost loop
  std::int64_t stride[operands][max_rank];
};

/// `size` is that of an element of each operand.
template <int operands>
row_nest<operands> make_row_nest(const loop_nest& nest, const std::int64_t (&size)[operands], std::int64_t begin,
                                 std::int64_t end) noexcept {
  row_nest<operands> rows{};
  rows.begin = begin;
  rows.end = end;
  rows.rank = nest.rank;
  rows.narrow = nest.count() <= std::int64_t{1} << 31;
  for (int d = 0; d < nest.rank; ++d) {
    rows.extent[d] = nest.extent[d];
    if (rows.narrow && d > 0) rows.by[d] = divider_of(static_cast<std::uint32_t>(nest.extent[d]));
    for (int v = 0; v < nest.views && v < operands; ++v) rows.stride[v][d] = nest.stride[v][d] * size[v];
  }
  return rows;
}

struct softmax_arguments {
  std::byte* data[softmax_operands];  ///< null: absent
  dtype type[softmax_operands];
  std::int64_t columns, x_stride, y_stride, mask_stride;  ///< along the axis, in elements
  std::int64_t span;                                      ///< columns of each block of a cluster
  std::int64_t held;                                      ///< words of a thread that stay in shared memory
  bool logarithm, scored, partial, finish;
  bool precise;  ///< numerators as good as f32: for all but results of 16 bits alone, since codes are those of f32
  bool fine;     ///< of precise ones: what is asked for of their sum is more than a probability
  bool near;     ///< of those that are not precise: probabilities, which no scale makes larger
  bool staged;
  bool causal, zeros;  ///< zeros: what a row without scores becomes; else NaN
  float scale, softcap, output_scale;
  std::int64_t offset, window;
  double smoothing;
  std::int64_t ignored;
  // Of 8-bit results. The rows' places are those of operand_row_scales and operand_amax, whose data is not among the
  // others: there it would be a loss's.
  std::byte *row_scales, *amax;  ///< null: absent
  float code_scale;              ///< unless rows have their own
  row_nest<softmax_operands> rows;
};

struct gradient_arguments {
  std::byte* data[gradient_operands];
  dtype type[gradient_operands];
  std::int64_t columns, stride[gradient_operands];  ///< along the axis, in elements
  std::int64_t span;                                ///< columns of each block of a cluster
  bool logarithm, fine;
  float scale;
  row_nest<gradient_operands> rows;
};

struct gating_arguments {
  std::byte* data[gating_operands];  ///< null: absent
  dtype type[gating_operands];
  std::int64_t columns, chosen, stride[gating_operands];  ///< along the axis, in elements
  bool sigmoid, renormalise;
  float scale;
  row_nest<gating_operands> rows;
};

/// Rows that the blocks work on: each block takes every blocks-th group of `together` rows.
constexpr launch_shape row_shape(std::int64_t rows, int together, int threads, int cluster) noexcept {
  launch_shape s{};
  s.threads = static_cast<unsigned>(threads);
  s.tiles = divide_up(rows, together);
  s.cluster = static_cast<unsigned>(cluster);
  const std::int64_t most = most_blocks / cluster;
  s.blocks = static_cast<unsigned>((s.tiles < most ? s.tiles : most) * cluster);
  return s;
}

}  // namespace sigmax
