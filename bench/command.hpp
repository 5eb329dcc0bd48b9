// What main.cpp knows of a command: one function a file, named add_<command>, that registers the subcommand.
#pragma once

#include <CLI/CLI.hpp>

#include <stdexcept>

namespace sigmax_bench {

// CI jobs act on these: never renumber (BENCH: 1, 3, 4 and 77 are reserved for `gate`).
enum exit_code : int { exit_ok = 0, exit_usage = 2, exit_wrong_result = 5, exit_interrupted = 130 };

/// The caller asked for something that cannot be: main prints the text as one line and exits with exit_usage.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `result` becomes the exit code of the process when the subcommand's callback has run.
#define SIGMAX_BENCH_COMMAND(name) void add_##name(CLI::App& app, int& result);
#include "commands.def"
#undef SIGMAX_BENCH_COMMAND

}  // namespace sigmax_bench
