// What `backend::automatic` and `explain` estimate with: measured by `run --calibrate`, kept for this machine.
#pragma once

#include <string>

namespace sigmax_bench {

/// $SIGMAX_CALIBRATION, else calibration.json under $XDG_CONFIG_HOME/sigmax or ~/.config/sigmax; "" without any.
std::string calibration_path();

/// Measures, in half a minute, and writes to `path`. Figures that need a CUDA device are 0 without one, which is said
/// on stderr.
void calibrate(const std::string& path, bool quiet);

/// Gives the library the figures in `path`. Throws usage_error if they cannot be read or are another machine's.
void use_calibration(const std::string& path);

/// Those of calibration_path(), if there is such a file.
void use_stored_calibration();

}  // namespace sigmax_bench
