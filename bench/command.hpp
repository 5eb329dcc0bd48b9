// What main.cpp knows of a command: one function a file, named add_<command>, that registers the subcommand.
#pragma once

#include "exit_code.hpp"

#include <CLI/CLI.hpp>

namespace sigmax_bench {

// `result` becomes the exit code of the process when the subcommand's callback has run.
#define SIGMAX_BENCH_COMMAND(name) void add_##name(CLI::App& app, int& result);
#include "commands.def"
#undef SIGMAX_BENCH_COMMAND

}  // namespace sigmax_bench
