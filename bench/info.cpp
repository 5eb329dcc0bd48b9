#include "command.hpp"
#include "machine.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <memory>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

void print_text(const json& block) {
  const auto line = [](const std::string& key, const std::string& value) { fmt::print("{:<16} {}\n", key, value); };
  for (const auto& [key, value] : block.items()) {
    if (key == "caches") {
      for (const json& cache : value) {
        line(fmt::format("L{} {}", cache["level"].get<int>(), cache["type"].get<std::string>()),
             fmt::format("{} KiB, shared by {}", cache["size"].get<int>() / 1024, cache["num_sharing"].get<int>()));
      }
    } else if (key == "isas") {
      for (const json& row : value) {
        const std::string name = row["name"];
        line("isa row", fmt::format("{}: {} lanes, {}, {}{}", name, row["lanes"].get<int>(),
                                    row["fma"].get<bool>() ? "fma" : "no fma",
                                    row["usable"].get<bool>() ? "usable" : "not usable here",
                                    block["isa"] == name ? ", chosen" : ""));
      }
    } else if (key == "simd_flags") {
      line("simd", fmt::format("{}", fmt::join(value.get<std::vector<std::string>>(), " ")));
    } else if (key == "peers") {
      for (const auto& [name, version] : value.items()) line("peer", name + ": " + version.get<std::string>());
    } else if (key == "memory_bytes") {
      line("memory", fmt::format("{:.1f} GiB", value.get<double>() / 0x1p30));
    } else if (key == "cuda") {
      line("cuda", fmt::format("{}: {}", value["available"].get<bool>() ? "available" : "not available",
                               value["message"].get<std::string>()));
    } else if (value.is_null()) {
      line(key, "not set");
    } else if (value.is_boolean()) {
      line(key, value.get<bool>() ? "yes" : "no");
    } else {
      line(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

}  // namespace

void add_info(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("info", "Which machine, compiler, library and ISA this is");
  const auto output = std::make_shared<std::string>("text");
  command->add_option("--output", *output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([output] {
    const json block = machine_block();
    if (*output == "json") {
      fmt::print("{}\n", block.dump(2));
    } else {
      print_text(block);
    }
  });
}

}  // namespace sigmax_bench
