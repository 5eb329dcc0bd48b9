// Everything that can be wrong with a call, found before a byte is written.
#pragma once

#include "layout.hpp"

namespace sigmax {

/// A failing status whose message is formatted like printf into storage of the calling thread.
[[gnu::format(printf, 2, 3)]] status failure(status_code code, const char* format, ...) noexcept;

status validate_finite(const char* name, float v) noexcept;

struct named_view {
  const char* name;
  const const_view* view;
};

struct extent_of_call {
  std::int64_t count;  ///< elements
  bool dense;          ///< every view is one run of memory in the order of its indices; false says nothing
};
/// Checks each view by itself, that all have the shape of the last one, that the elements of an output, one of the last
/// `outputs`, are distinct, that it overlaps no input it is not identical with, and no output.
status validate_views(const named_view* views, int n, extent_of_call& extent, int outputs = 1) noexcept;

/// Counts the axis of x from the front.
status resolve_axis(const const_view& x, int& axis) noexcept;

/// Everything about a call with a softmax_form but the options; resolves the axis. `y` null: there is none. With
/// `reads_state` max and sum are inputs, and needed. `codes` null: y is not quantised.
status validate_form(const const_view& x, const const_view* y, int& axis, const softmax_form& form, bool reads_state,
                     const quantisation* codes = nullptr) noexcept;
/// The same for one or two inputs and a quantised y.
status validate_quantised(const named_view* inputs, int n, const const_view& y, int& axis,
                          const quantisation& codes) noexcept;

/// The same for a loss. `dloss` and `y` (loss or dx) as named; with `dloss` form.lse is an input.
status validate_cross_entropy(const const_view* dloss, const const_view& x, const const_view& targets,
                              const const_view& y, int& axis, const cross_entropy_form& form) noexcept;
/// That every target is a class or form.ignore_index. Reads them: only for memory that the CPU reaches.
status validate_targets(const const_view& targets, std::int64_t classes, const cross_entropy_form& form) noexcept;

/// The same for top-k gating.
status validate_gating(const const_view& x, const const_view& weights, const const_view& experts, int& axis,
                       const gating_form& form) noexcept;

/// Most calls: two dense host tensors of one shape, identical or apart. Nothing is wrong with them, and that is found
/// in a few nanoseconds; `count` becomes the number of elements. False says nothing: validate_views has the words.
template <class Pointer>
bool dense_and_apart(const const_view& x, const basic_view<Pointer>& y, std::int64_t& count) noexcept {
  constexpr std::int64_t most = std::int64_t{1} << 40;  // neither bytes nor addresses overflow below it
  const auto known = [](dtype t) { return t == dtype::f32 || t == dtype::f16 || t == dtype::bf16; };
  if (x.rank != y.rank || x.rank < 0 || x.rank > max_rank || !known(x.type) || !known(y.type)) return false;
  if (x.where != memory::host || y.where != memory::host || x.data == nullptr || y.data == nullptr) return false;
  std::int64_t elements = 1;
  for (int i = x.rank - 1; i >= 0; --i) {
    const std::int64_t n = x.shape[i];
    if (n < 1 || n > most || n != y.shape[i] || x.strides[i] != elements || y.strides[i] != elements) return false;
    if (__builtin_mul_overflow(elements, n, &elements) || elements > most) return false;
  }
  const auto x_size = static_cast<std::uintptr_t>(size_of(x.type)),
             y_size = static_cast<std::uintptr_t>(size_of(y.type));
  const auto x_begin = reinterpret_cast<std::uintptr_t>(x.data), y_begin = reinterpret_cast<std::uintptr_t>(y.data);
  const auto n = static_cast<std::uintptr_t>(elements);
  const std::uintptr_t x_end = x_begin + n * x_size, y_end = y_begin + n * y_size;
  if (x_end < x_begin || y_end < y_begin || (x_begin & (x_size - 1)) != 0 || (y_begin & (y_size - 1)) != 0)
    return false;
  count = elements;
  return x_end <= y_begin || y_end <= x_begin || (x_begin == y_begin && x.type == y.type);
}

/// Checks enum values, slice and threads, and whether the parameters fit the function; fills in its defaults.
status validate_options(const options& how) noexcept;
status resolve_parameters(activation op, const parameters& given, parameters& resolved) noexcept;
status resolve_parameters(gate op, const parameters& given, parameters& resolved) noexcept;

}  // namespace sigmax
