// The figures by which `automatic` chooses. Each is atomic, so that calls may go on while they are set.
#include <atomic>

#include "estimate.hpp"
#include "validate.hpp"

namespace sigmax {
namespace {

enum figure { host, host_at_most, to_device, from_device, device, launch, figure_count };
constinit std::atomic<double> stored[figure_count] = {};
constinit std::atomic<float> per_element[activation_count] = {};
constinit std::atomic<bool> given{false};

}  // namespace

status set_calibration(const calibration& figures) noexcept {
  const double values[figure_count] = {figures.host_bytes_per_second,      figures.host_bytes_per_second_at_most,
                                       figures.bytes_per_second_to_device, figures.bytes_per_second_from_device,
                                       figures.device_bytes_per_second,    figures.launch_ns};
  const auto is_figure = [](double v) { return v >= 0 && v <= std::numeric_limits<double>::max(); };
  for (double v : values)
    if (!is_figure(v)) return failure(status_code::invalid_argument, "set_calibration: %g is no figure", v);
  for (float v : figures.cpu_ns_per_element)
    if (!is_figure(static_cast<double>(v)))
      return failure(status_code::invalid_argument, "set_calibration: %g ns an element", static_cast<double>(v));
  for (int i = 0; i < figure_count; ++i) stored[i].store(values[i], std::memory_order_relaxed);
  for (std::size_t op = 0; op < activation_count; ++op)  // a newer caller's further activations are not ours
    per_element[op].store(op < figures.cpu_ns_per_element.size() ? figures.cpu_ns_per_element[op] : 0,
                          std::memory_order_relaxed);
  given.store(true, std::memory_order_release);
  return {};
}

bool figures_of(activation op, cost_figures& f) noexcept {
  if (!given.load(std::memory_order_acquire)) return false;
  const auto at = [](figure i) { return stored[i].load(std::memory_order_relaxed); };
  const float ns = per_element[static_cast<std::size_t>(op)].load(std::memory_order_relaxed);
  f = {static_cast<double>(ns), at(host), at(host_at_most), at(to_device), at(from_device), at(device), at(launch)};
  return true;
}

}  // namespace sigmax
