#include "machine_text.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

void add_device(std::string& text, const json& device) {
  for (const auto& [key, value] : device.items()) {
    const bool bytes = key.ends_with("_bytes");
    text += fmt::format("{:<18} {}: {}\n", "cuda device", bytes ? key.substr(0, key.size() - 6) : key,
                        bytes               ? fmt::format("{:.0f} MiB", value.get<double>() / 0x1p20)
                        : value.is_string() ? value.get<std::string>()
                                            : value.dump());
  }
}

}  // namespace

std::string machine_text(const json& block) {
  std::string text;
  const auto line = [&](const std::string& key, const std::string& value) {
    text += fmt::format("{:<18} {}\n", key, value);
  };
  for (const auto& [key, value] : block.items()) {
    if (key == "caches") {
      for (const json& cache : value) {
        line(fmt::format("L{} {}", cache["level"].get<int>(), cache["type"].get<std::string>()),
             fmt::format("{} KiB, shared by {}", cache["size"].get<int>() / 1024, cache["num_sharing"].get<int>()));
      }
    } else if (key == "isas") {
      for (const json& row : value) {
        const std::string name = row["name"];
        line("isa variant", fmt::format("{}: {} lanes, {}, {}{}", name, row["lanes"].get<int>(),
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
      if (value.contains("device")) add_device(text, value["device"]);
    } else if (value.is_null()) {
      line(key, "not set");
    } else if (value.is_boolean()) {
      line(key, value.get<bool>() ? "yes" : "no");
    } else {
      line(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  return text;
}

}  // namespace sigmax_bench
