#include "command.hpp"

#include <sigmax/sigmax.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string>

namespace {

/// CLI11 tells of a missing command before it tells of a wrong one, and "files is required" without saying of what.
std::string usage_text(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_name() != "RequiredError") return error.what();
  const auto commands = app.get_subcommands();
  if (commands.empty()) {
    const auto words = app.remaining();
    const std::string said = words.empty()                    ? "no command is given"
                             : words.front().starts_with('-') ? fmt::format("no command before '{}'", words.front())
                                                              : fmt::format("unknown command '{}'", words.front());
    return said + " ('sigmax-bench --help' lists them)";
  }
  const std::string text = error.what(), name = commands.front()->get_name();
  const std::size_t missing = text.find(" is required");
  if (missing == text.npos) return text;
  return fmt::format("{}: no {} given (see 'sigmax-bench {} --help')", name, text.substr(0, missing), name);
}

// CLI11's texts may span lines; scripts and CI logs are better served by one.
void complain(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';  // it may quote a broken file
  }
  fmt::print(stderr, "sigmax-bench: {}\n", text);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Measures, verifies and explains sigmax: activation functions and softmax"};
  app.set_version_flag("--version", std::string("sigmax ") + sigmax::version());
  app.require_subcommand(1);

  int result = sigmax_bench::exit_ok;
#define SIGMAX_BENCH_COMMAND(name) sigmax_bench::add_##name(app, result);
#include "commands.def"
#undef SIGMAX_BENCH_COMMAND

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    complain(usage_text(app, error));
    return sigmax_bench::exit_usage;
  } catch (const sigmax_bench::usage_error& error) {
    complain(error.what());
    return sigmax_bench::exit_usage;
  } catch (const sigmax_bench::nothing_to_measure& error) {
    complain(std::string("skipped: ") + error.what());
    return sigmax_bench::exit_skipped;
  } catch (const std::exception& error) {
    complain(error.what());
    return sigmax_bench::exit_failed;
  }
  return result;
}
