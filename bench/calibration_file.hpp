// The file that `run --calibrate` writes, read back.
#pragma once

#include <string>
#include <string_view>

namespace sigmax_bench {

/// Gives the library the figures in `text`. Throws usage_error for what is no calibration, or not of `machine_id`.
void apply_calibration(std::string_view text, const std::string& path, const std::string& machine_id);

}  // namespace sigmax_bench
