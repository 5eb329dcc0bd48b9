// Everything that can be wrong with a call, found before a byte is written.
#pragma once

#include "sigmax/sigmax.hpp"

namespace sigmax {

/// A failing status whose message is formatted like printf into storage of the calling thread.
[[gnu::format(printf, 2, 3)]] status failure(status_code code, const char* format, ...) noexcept;

struct named_view {
  const char* name;
  const const_view* view;
};

/// Checks each view by itself, that all have the shape of the last one (the output), that the output's elements are
/// distinct, and that it overlaps no input it is not identical with. `count` becomes the number of elements.
status validate_views(const named_view* views, int n, std::int64_t& count) noexcept;

/// Checks enum values, slice and threads, and whether the parameters fit the activation; fills in its defaults.
status validate_options(const options& how) noexcept;
status resolve_parameters(activation op, const parameters& given, parameters& resolved) noexcept;

}  // namespace sigmax
