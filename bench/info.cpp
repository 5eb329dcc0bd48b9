#include "command.hpp"
#include "machine.hpp"
#include "machine_text.hpp"

#include <fmt/core.h>

#include <memory>

namespace sigmax_bench {
void add_info(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("info", "Which machine, compiler, library and ISA this is");
  const auto output = std::make_shared<std::string>("text");
  command->add_option("--output", *output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer("Examples:\n  sigmax-bench info\n  sigmax-bench info --output json");
  command->callback([output] {
    const nlohmann::ordered_json block = machine_block();
    if (*output == "json") {
      fmt::print("{}\n", block.dump(2));
    } else {
      fmt::print("{}", machine_text(block));
    }
  });
}

}  // namespace sigmax_bench
