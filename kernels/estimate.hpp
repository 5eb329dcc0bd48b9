// What a call would take on either side, from measured figures alone.
#pragma once

#include "host_chunks.hpp"
#include "kernel_table.hpp"

namespace sigmax {

/// The figures of `calibration`, those of one activation.
struct cost_figures {
  double cpu_ns_per_element, host_bytes_per_second, host_bytes_per_second_at_most;
  double bytes_per_second_to_device, bytes_per_second_from_device, device_bytes_per_second, launch_ns;
};

/// What counts about an elementwise call on dense host or managed memory.
struct call_facts {
  std::int64_t elements;
  std::int64_t bytes_in, bytes_out;  ///< of one element, all inputs together
  int threads;
  bool managed;

  double all_in() const noexcept { return static_cast<double>(elements) * static_cast<double>(bytes_in); }
  double all_out() const noexcept { return static_cast<double>(elements) * static_cast<double>(bytes_out); }
};

/// Nanoseconds; 0: a figure is missing.
inline double estimate_cpu(const cost_figures& f, const call_facts& c) noexcept {
  if (!(f.cpu_ns_per_element > 0 && f.host_bytes_per_second > 0 && f.host_bytes_per_second_at_most > 0)) return 0;
  const double rate = std::min(c.threads * f.host_bytes_per_second, f.host_bytes_per_second_at_most);
  return std::max(static_cast<double>(c.elements) * f.cpu_ns_per_element / c.threads,
                  1e9 * (c.all_in() + c.all_out()) / rate);
}

/// Of a pipeline: its slowest stage, the first chunk's way through the others, and what starting each chunk costs.
inline double estimate_cuda(const cost_figures& f, const call_facts& c) noexcept {
  if (!(f.host_bytes_per_second > 0 && f.host_bytes_per_second_at_most > 0 && f.bytes_per_second_to_device > 0 &&
        f.bytes_per_second_from_device > 0 && f.device_bytes_per_second > 0 && f.launch_ns > 0))
    return 0;
  const double rate = std::min(c.threads * f.host_bytes_per_second, f.host_bytes_per_second_at_most);
  // The CPU reads and writes each byte once more on its way through pinned memory; managed memory moves by itself.
  const double staging = c.managed ? 0 : 2e9 * (c.all_in() + c.all_out()) / rate;
  const double in = 1e9 * c.all_in() / f.bytes_per_second_to_device;
  const double out = 1e9 * c.all_out() / f.bytes_per_second_from_device;
  const double kernel = 1e9 * (c.all_in() + c.all_out()) / f.device_bytes_per_second;
  if (c.managed) return f.launch_ns + in + kernel + out;  // nobody cuts it: nothing overlaps
  const auto chunks =
      static_cast<double>(cut_into_chunks(c.elements, c.bytes_in + c.bytes_out, 64, default_slot).chunks);
  const double longest = std::max({staging, in, kernel, out});
  return chunks * f.launch_ns + longest + (staging + in + kernel + out - longest) / chunks;
}

/// What `set_calibration` was given; false before it was called.
bool figures_of(activation op, cost_figures& f) noexcept;

}  // namespace sigmax
