#include "calibration_file.hpp"

#include "exit_code.hpp"
#include "json_problem.hpp"

#include <sigmax/sigmax.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <vector>

namespace sigmax_bench {

using json = nlohmann::ordered_json;

void apply_calibration(std::string_view text, const std::string& path, const std::string& machine_id) {
  sigmax::calibration c;
  std::vector<float> per_element(sigmax::all_activations().size());
  try {
    const json all = json::parse(text);
    if (all.at("machine").at("machine_id") != machine_id)
      throw usage_error(fmt::format("{}: measured on another machine; 'run --calibrate' measures this one", path));
    const json& figures = all.at("calibration");
    for (const sigmax::activation op : sigmax::all_activations())
      per_element[static_cast<std::size_t>(op)] =
          figures.at("cpu_ns_per_element").value(std::string(sigmax::describe(op).name), 0.0f);
    c.cpu_ns_per_element = per_element;
    c.host_bytes_per_second = figures.at("host_bytes_per_second");
    c.host_bytes_per_second_at_most = figures.at("host_bytes_per_second_at_most");
    c.bytes_per_second_to_device = figures.at("bytes_per_second_to_device");
    c.bytes_per_second_from_device = figures.at("bytes_per_second_from_device");
    c.device_bytes_per_second = figures.at("device_bytes_per_second");
    c.launch_ns = figures.at("launch_ns");
  } catch (const json::exception& problem) {
    throw usage_error(fmt::format("{}: no calibration: {}", path, json_problem(problem)));
  }
  if (const sigmax::status s = sigmax::set_calibration(c); !s)
    throw usage_error(fmt::format("{}: {}", path, s.message));
}

}  // namespace sigmax_bench
