// Where rows lie, and the elements of one that the threads of a group keep in registers: how they come and go.
#pragma once

#include "load_store.cuh"
#include "simt.cuh"
#include "softmax_policy.hpp"

namespace sigmax {
namespace {

inline constexpr float no_score = -__builtin_inff();

template <int operands>
SIGMAX_DEVICE std::int64_t row_offset(const row_nest<operands>& rows, std::int64_t row, int which) {
  if (rows.rank == 1) return row * rows.stride[which][0];
  std::int64_t offset = 0;
#pragma unroll 1
  for (int d = rows.rank - 1; d > 0; --d) {
    std::int64_t next;
    if (rows.narrow)
      next = quotient(static_cast<std::uint32_t>(row), rows.by[d]);
    else
      next = row / rows.extent[d];
    offset += (row - next * rows.extent[d]) * rows.stride[which][d];
    row = next;
  }
  return offset + row * rows.stride[which][0];
}

/// Bytes of an element.
SIGMAX_DEVICE std::int64_t bytes_of(dtype type) {
  return type == dtype::boolean ? 1 : type == dtype::f16 || type == dtype::bf16 ? 2 : type == dtype::i64 ? 8 : 4;
}
SIGMAX_DEVICE std::int64_t clamp(std::int64_t v, std::int64_t low, std::int64_t high) {
  return v < low ? low : v > high ? high : v;
}

/// Up to `chunks` chunks of 8 elements of each of `lanes` threads, which lie in the row in one of three ways.
enum class lane_layout {
  elements,  ///< neighbouring lanes have neighbouring elements: for any address and length
  fours,     ///< a lane has twice four neighbours, 16 bytes each of f32
  eights,    ///< a lane has eight neighbours, 16 bytes of a 16-bit type
};
/// `addresses`: all that the layout serves, or-ed; `type` is that of what is loaded.
SIGMAX_DEVICE lane_layout layout_of(int columns, dtype type, std::uintptr_t addresses) {
  const bool wide = type == dtype::f32;
  if (addresses % vector_bytes != 0 || columns % (wide ? 4 : 8) != 0) return lane_layout::elements;
  return wide ? lane_layout::fours : lane_layout::eights;
}

template <int lanes, int chunks>
struct row_tile {
  static constexpr int chunk_columns = chunk_size * lanes;

  float t[chunks][chunk_size];
  int lane;
  lane_layout layout;

  /// Element i of chunk 0 of lane 0 in the row, as the layout is known when the kernel is compiled, or runs.
  template <lane_layout l>
  SIGMAX_DEVICE static constexpr int at(int i) {
    return l == lane_layout::elements ? i * lanes : l == lane_layout::fours ? i / 4 * 4 * lanes + i % 4 : i;
  }
  template <lane_layout l>
  SIGMAX_DEVICE int first() const {
    return lane * (l == lane_layout::elements ? 1 : l == lane_layout::fours ? 4 : 8);
  }
  SIGMAX_DEVICE int place(int c, int i) const {
    const int own = layout == lane_layout::elements ? first<lane_layout::elements>() + at<lane_layout::elements>(i)
                    : layout == lane_layout::fours  ? first<lane_layout::fours>() + at<lane_layout::fours>(i)
                                                    : first<lane_layout::eights>() + at<lane_layout::eights>(i);
    return c * chunk_columns + own;
  }

  SIGMAX_DEVICE row_tile(lane_layout chosen, unsigned l) : lane(static_cast<int>(l)), layout(chosen) {}

  template <class F>
  SIGMAX_DEVICE static void for_chunks(F work) {
#pragma unroll
    for (int c = 0; c < chunks; ++c) work(c);
  }

  /// Elements [begin, end) of the row at x; the others become 0 or -inf. The addresses of a thread's elements are one
  /// register and constants.
  SIGMAX_DEVICE void load(const std::byte* x, dtype type, int begin, int end, bool zeros) {
    const std::uint32_t rest = zeros ? 0u : type == dtype::f32 ? 0xff800000u : type == dtype::f16 ? 0xfc00u : 0xff80u;
    if (layout == lane_layout::fours) return load_fours(reinterpret_cast<const float*>(x), begin, end, rest);
    if (layout == lane_layout::eights) return load_eights(x, type, begin, end, rest);
    if (type == dtype::f32) return load_elements<float>(x, begin, end, rest);
    type == dtype::f16 ? load_elements<float16>(x, begin, end, rest) : load_elements<bfloat16>(x, begin, end, rest);
  }
  SIGMAX_DEVICE void load_fours(const float* x, int begin, int end, std::uint32_t rest) {
    const int column = first<lane_layout::fours>();
    x += column;
    for_chunks([&](int c) {
#pragma unroll
      for (int i = 0; i < chunk_size; i += 4) {
        const int offset = c * chunk_columns + at<lane_layout::fours>(i);
        vector v{{rest, rest, rest, rest}};
        if (column < end - offset && column + 4 > begin - offset)
          v = sigmax::load(reinterpret_cast<const vector*>(x + offset));
#pragma unroll
        for (int j = 0; j < 4; ++j) t[c][i + j] = from_bits(v.word[j]);
      }
    });
  }
  SIGMAX_DEVICE void load_eights(const std::byte* x, dtype type, int begin, int end, std::uint32_t rest) {
    const int column = first<lane_layout::eights>();
    x += column * 2;
    rest *= 0x10001u;
    vector raw[chunks];
    for_chunks([&](int c) {
      const int offset = c * chunk_columns;
      raw[c] = {{rest, rest, rest, rest}};
      if (column < end - offset && column + 8 > begin - offset)
        raw[c] = sigmax::load(reinterpret_cast<const vector*>(x + offset * 2));
    });
    for_chunks([&](int c) { type == dtype::f16 ? unpack(raw[c], t[c], float16{}) : unpack(raw[c], t[c], bfloat16{}); });
  }
  template <class T>
  SIGMAX_DEVICE void load_elements(const std::byte* row, int begin, int end, std::uint32_t rest) {
    const auto* const x = reinterpret_cast<const bits<T>*>(row) + lane;
    bits<T> raw[chunks][chunk_size];
    for_chunks([&](int c) {
#pragma unroll
      for (int i = 0; i < chunk_size; ++i) {
        const int offset = c * chunk_columns + at<lane_layout::elements>(i);
        raw[c][i] = static_cast<bits<T>>(rest);
        if (lane < end - offset && lane >= begin - offset) raw[c][i] = sigmax::load(x + offset);
      }
    });
    for_chunks([&](int c) {
#pragma unroll
      for (int i = 0; i < chunk_size; ++i) {
        if constexpr (sizeof(T) == 4)
          t[c][i] = from_bits(raw[c][i]);
        else
          t[c][i] = to_float(T{raw[c][i]});
      }
    });
  }

  /// The elements of chunk c before number `columns`, to the row at y.
  SIGMAX_DEVICE void store_chunk(int c, std::byte* y, dtype type, int columns) const {
    const bool vectors = layout != lane_layout::elements;
    if (type == dtype::f32)
      vectors ? store_fours(c, reinterpret_cast<float*>(y), columns) : store_elements<float>(c, y, columns);
    else if (type == dtype::f16)
      vectors ? store_halves(c, y, columns, pack(t[c], float16{})) : store_elements<float16>(c, y, columns);
    else
      vectors ? store_halves(c, y, columns, pack(t[c], bfloat16{})) : store_elements<bfloat16>(c, y, columns);
  }
  template <class T>
  SIGMAX_DEVICE void store_elements(int c, std::byte* row, int columns) const {
    bits<T>* const y = reinterpret_cast<bits<T>*>(row) + lane;
#pragma unroll
    for (int i = 0; i < chunk_size; ++i) {
      const int offset = c * chunk_columns + at<lane_layout::elements>(i);
      T v;
      from_float(t[c][i], v);
      if (lane >= columns - offset) continue;
      if constexpr (sizeof(T) == 4)
        sigmax::store(y + offset, bits_of(v));
      else
        sigmax::store(y + offset, v.bits);
    }
  }
  SIGMAX_DEVICE void store_fours(int c, float* y, int columns) const {
    const int column = place(0, 0);
    y += column;
#pragma unroll
    for (int i = 0; i < chunk_size; i += 4) {
      const int offset = c * chunk_columns + (layout == lane_layout::fours ? i * lanes : i);
      const float four[4] = {t[c][i], t[c][i + 1], t[c][i + 2], t[c][i + 3]};
      if (column < columns - offset) sigmax::store(reinterpret_cast<vector*>(y + offset), pack(four, 0.0f));
    }
  }
  /// Eight neighbours, or twice four.
  SIGMAX_DEVICE void store_halves(int c, std::byte* y, int columns, const vector& v) const {
    struct alignas(8) half_vector {
      std::uint32_t word[2];
    };
    const int column = place(0, 0);
    y += column * 2;
    const int offset = c * chunk_columns, second = offset + 4 * lanes;
    if (layout == lane_layout::eights) {
      if (column < columns - offset) sigmax::store(reinterpret_cast<vector*>(y + offset * 2), v);
      return;
    }
    if (column < columns - offset) *reinterpret_cast<half_vector*>(y + offset * 2) = {{v.word[0], v.word[1]}};
    if (column < columns - second) *reinterpret_cast<half_vector*>(y + second * 2) = {{v.word[2], v.word[3]}};
  }
};

}  // namespace
}  // namespace sigmax
