// What main.cpp knows of a command: one function a file, named add_<command>, that registers the subcommand.
#pragma once

#include "exit_code.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <string>

namespace sigmax_bench {

/// A number from low to high. CLI::Range lets NaN pass.
inline CLI::Validator within(double low, double high) {
  const std::string range = fmt::format("[{:g} - {:g}]", low, high);
  const auto complaint = [=](const std::string& text) {
    double v = 0;
    const bool good = CLI::detail::lexical_cast(text, v) && v >= low && v <= high;
    return good ? std::string() : fmt::format("Value {} not in range {}", text, range);
  };
  return CLI::Validator(complaint, "FLOAT in " + range);
}

// `result` becomes the exit code of the process when the subcommand's callback has run.
#define SIGMAX_BENCH_COMMAND(name) void add_##name(CLI::App& app, int& result);
#include "commands.def"
#undef SIGMAX_BENCH_COMMAND

}  // namespace sigmax_bench
