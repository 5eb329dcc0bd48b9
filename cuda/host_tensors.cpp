// Host tensors on CUDA: chunk after chunk is copied into pinned memory, sent, computed, fetched and copied out. Each
// slot has a stream, on which its three steps follow one another; those of different slots overlap.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <mutex>
#include <utility>

#include "../kernels/cuda_backend.hpp"
#include "../kernels/dispatch.hpp"
#include "../kernels/host_chunks.hpp"
#include "transfer.hpp"

namespace sigmax {
namespace {

/// The buffers of one device. Slots are idle between calls.
struct staging_area {
  std::mutex turn;  // of calls, which share the buffers
  std::atomic<bool> warm{false};
  std::int64_t slot_bytes = 0;
  void* allocated = nullptr;  // pinned memory of our own
  void* given = nullptr;      // or the caller's
  std::byte* pinned = nullptr;
  void* device = nullptr;
  void* streams[staging_slots] = {};
};
constexpr int most_devices = 32;
constinit staging_area areas[most_devices];

status area_of_device(staging_area*& area) noexcept {
  int device = 0;
  if (status s = current_device(device); !s) return s;
  if (device >= most_devices)
    return failure(status_code::unsupported, "host tensors on CUDA: device %d is beyond the %d that are looked after",
                   device, most_devices);
  area = &areas[device];
  return {};
}

/// Frees all that there is, whatever goes wrong; the last fault is told.
status release(staging_area& area) noexcept {
  area.warm = false;
  status fault;
  const auto keep = [&](status s) {
    if (!s) fault = s;
  };
  for (void*& stream : area.streams) keep(destroy_stream(std::exchange(stream, nullptr)));
  keep(free_on_device(std::exchange(area.device, nullptr)));
  keep(free_pinned(std::exchange(area.allocated, nullptr)));
  area.given = area.pinned = nullptr;
  area.slot_bytes = 0;
  return fault;
}

status fill(staging_area& area, const staging_memory& memory) noexcept {
  std::int64_t bytes = memory.bytes;
  if (memory.pinned != nullptr) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory.pinned);
    const auto lead = static_cast<std::int64_t>(-address % static_cast<std::uintptr_t>(staging_align));
    area.given = memory.pinned;
    area.pinned = static_cast<std::byte*>(memory.pinned) + lead;
    bytes -= lead;
  }
  area.slot_bytes = bytes / staging_slots / staging_align * staging_align;
  if (area.slot_bytes < least_slot)
    return failure(status_code::invalid_argument, "warm_up: %lld bytes of pinned memory; %d slots need %lld and more",
                   static_cast<long long>(memory.bytes), staging_slots,
                   static_cast<long long>(staging_slots) * least_slot + staging_align);
  if (memory.pinned == nullptr) {
    if (status s = allocate_pinned(staging_slots * area.slot_bytes, area.allocated); !s) return s;
    area.pinned = static_cast<std::byte*>(area.allocated);
  }
  if (status s = allocate_on_device(staging_slots * area.slot_bytes, area.device); !s) return s;
  for (void*& stream : area.streams)
    if (status s = create_stream(stream); !s) return s;
  return {};
}

constexpr std::int64_t element_grain = 64;  // as in cuda/elementwise.cpp

/// The operands of a call in host memory, and the bytes that each has in a unit.
struct host_operands {
  int inputs;
  const std::byte* in[2];
  std::byte* out;
  std::int64_t in_bytes[2], out_bytes;

  std::int64_t unit_bytes() const noexcept { return in_bytes[0] + (inputs > 1 ? in_bytes[1] : 0) + out_bytes; }
};

/// By the caller's threads, if there are any and the chunk is long.
void copy_on_cpu(std::byte* to, const std::byte* from, std::int64_t bytes, const options& how) noexcept {
  struct ends {
    std::byte* to;
    const std::byte* from;
  } const both{to, from};
  constexpr std::int64_t grain = 4096, smallest = 64 * grain;  // bytes; a page, and some 20 us of copying
  options whole = how;
  whole.slice = 0, whole.slices = 1;
  run_split(
      split_work(bytes, grain, smallest, whole), grain, how,
      [](const void* argument, std::int64_t begin, std::int64_t end) noexcept {
        const ends& e = *static_cast<const ends*>(argument);
        std::memcpy(e.to + begin, e.from + begin, static_cast<std::size_t>(end - begin));
      },
      &both);
}

/// launch(inputs, output, units, how) on device memory.
template <class Launch>
status run_chunks(staging_area& area, const host_operands& all, std::int64_t first, const chunk_plan& plan,
                  const options& how, Launch launch) noexcept {
  options inside = how;
  inside.slice = 0, inside.slices = 1;
  inside.threads = {};
  inside.dependent_launch = false;
  for (std::int64_t i = 0; i < plan.chunks + staging_slots; ++i) {
    const auto slot = i % staging_slots;
    std::byte* const pinned = area.pinned + slot * area.slot_bytes;
    std::byte* const device = static_cast<std::byte*>(area.device) + slot * area.slot_bytes;
    inside.stream = area.streams[slot];
    const auto place = [&](int operand, std::int64_t units) {  // inputs one after another, then the output
      std::int64_t at = 0;
      for (int v = 0; v < operand; ++v)
        at += (units * all.in_bytes[v] + staging_align - 1) / staging_align * staging_align;
      return at;
    };
    if (const std::int64_t last = i - staging_slots; last >= 0 && last < plan.chunks) {  // the slot's last chunk
      if (status s = wait_for(inside.stream); !s) return s;
      const std::int64_t units = plan.length(last);
      copy_on_cpu(all.out + (first + plan.begin(last)) * all.out_bytes, pinned + place(all.inputs, units),
                  units * all.out_bytes, how);
    }
    if (i >= plan.chunks) continue;
    const std::int64_t units = plan.length(i), begin = first + plan.begin(i);
    const void* in[2] = {};
    for (int v = 0; v < all.inputs; ++v) {
      const std::int64_t at = place(v, units), bytes = units * all.in_bytes[v];
      copy_on_cpu(pinned + at, all.in[v] + begin * all.in_bytes[v], bytes, how);
      if (status s = copy_to_device(device + at, pinned + at, bytes, inside.stream); !s) return s;
      in[v] = device + at;
    }
    const std::int64_t at = place(all.inputs, units);
    if (status s = launch(in, device + at, units, inside); !s) return s;
    if (status s = copy_from_device(pinned + at, device + at, units * all.out_bytes, inside.stream); !s) return s;
  }
  return {};
}

template <class Launch>
status run_on_device(const host_operands& all, std::int64_t units, std::int64_t grain, const options& how,
                     Launch launch) noexcept {
  const work_split work = split_work(units, grain, grain, how);
  if (work.begin >= work.end) return {};
  staging_area* area = nullptr;
  if (status s = area_of_device(area); !s) return s;
  const std::lock_guard lock(area->turn);
  if (!area->warm)
    return failure(status_code::unavailable, "host tensors on CUDA: warm_up was not called for this device");
  const chunk_plan plan = cut_into_chunks(work.end - work.begin, all.unit_bytes(), grain, area->slot_bytes);
  if (plan.chunks == 0)
    return failure(
        status_code::unsupported,
        "host tensors on CUDA: a row takes %lld bytes, a slot of the staging memory has %lld; warm_up with more",
        static_cast<long long>(all.unit_bytes()), static_cast<long long>(area->slot_bytes));
  const status s = run_chunks(*area, all, work.begin, plan, how, launch);
  if (!s.ok())  // nothing may be under way when the slots are used again; the first fault is the one to tell
    for (void* stream : area->streams) settle(stream);
  return s;
}

}  // namespace

status cuda_warm_up(const staging_memory& given) noexcept {
  if (const char* why = cuda_missing_because()) return failure(status_code::unavailable, "CUDA backend: %s", why);
  constexpr std::int64_t most = std::int64_t{1} << 40;
  staging_memory memory = given;
  if (memory.bytes == 0 && memory.pinned == nullptr) memory.bytes = staging_slots * default_slot;
  if (memory.bytes < 0 || memory.bytes > most)
    return failure(status_code::invalid_argument, "warm_up: %lld bytes", static_cast<long long>(memory.bytes));
  staging_area* area = nullptr;
  if (status s = area_of_device(area); !s) return s;
  const std::lock_guard lock(area->turn);
  if (area->warm) {
    if (given.pinned == area->given || given.pinned == nullptr) return {};
    return failure(status_code::invalid_argument, "warm_up: this device has other buffers already; cool_down first");
  }
  if (const status s = fill(*area, memory); !s) {
    char why[256];
    std::snprintf(why, sizeof why, "%s", s.message);  // or what goes wrong while freeing would take its place
    static_cast<void>(release(*area));
    return failure(s.code, "%s", why);
  }
  area->warm = true;
  return {};
}

status cuda_cool_down() noexcept {
  if (cuda_missing_because() != nullptr) return {};  // so there is nothing to free
  staging_area* area = nullptr;
  if (status s = area_of_device(area); !s) return s;
  const std::lock_guard lock(area->turn);
  return release(*area);
}

bool cuda_is_warm() noexcept {
  staging_area* area = nullptr;
  return area_of_device(area).ok() && area->warm;
}

status cuda_run_host_elementwise(const elementwise_call& call, const options& how) noexcept {
  host_operands all{};
  all.inputs = call.inputs;
  for (int v = 0; v < call.inputs; ++v) {
    all.in[v] = static_cast<const std::byte*>(call.in[v]);
    all.in_bytes[v] = size_of(call.in_type[v]);
  }
  all.out = static_cast<std::byte*>(call.out);
  all.out_bytes = size_of(call.out_type);
  return run_on_device(all, call.nest.count(), element_grain, how,
                       [&](const void* const* in, void* out, std::int64_t n, const options& inside) {
                         elementwise_call part = call;
                         for (int v = 0; v < call.inputs; ++v) part.in[v] = in[v];
                         part.out = out;
                         part.nest.make_dense(n, call.inputs + 1);
                         return cuda_run_elementwise(part, inside);
                       });
}

status cuda_run_host_gated(const gated_call& call, const options& how) noexcept {
  host_gate cut;
  cut_host_gate(call, cut);
  host_operands all{};
  all.inputs = cut.together ? 1 : 2;
  const bool swapped = cut.together && std::less<>{}(call.data[1], call.data[0]);
  for (int v = 0; v < all.inputs; ++v) {
    all.in[v] = call.data[swapped ? 1 : v];
    all.in_bytes[v] = (cut.together ? 2 * cut.columns : 1) * size_of(call.type[v]);
  }
  all.out = call.data[2];
  all.out_bytes = cut.columns * size_of(call.type[2]);
  return run_on_device(all, call.nest.extent[0], cut.columns == 1 ? element_grain : 1, how,
                       [&](const void* const* in, void* out, std::int64_t units, const options& inside) {
                         gated_call part = call;
                         for (int v = 0; v < 2; ++v) {
                           const int from = cut.together ? 0 : v;
                           part.data[v] =
                               static_cast<std::byte*>(const_cast<void*>(in[from])) + (call.data[v] - all.in[from]);
                         }
                         part.data[2] = static_cast<std::byte*>(out);
                         part.nest.extent[0] = units;
                         return cuda_run_gated(part, inside);
                       });
}

status cuda_run_host_softmax(const softmax_call& call, const options& how) noexcept {
  host_operands all{};
  all.inputs = 1;
  all.in[0] = call.data[operand_x];
  all.out = call.data[operand_y];
  all.in_bytes[0] = call.columns * size_of(call.type[operand_x]);
  all.out_bytes = call.columns * size_of(call.type[operand_y]);
  return run_on_device(all, call.rows.count(), 1, how,
                       [&](const void* const* in, void* out, std::int64_t rows, const options& inside) {
                         softmax_call part = call;
                         part.data[operand_x] = static_cast<std::byte*>(const_cast<void*>(in[0]));
                         part.data[operand_y] = static_cast<std::byte*>(out);
                         part.rows.make_dense(rows, call.rows.views);
                         for (int v = 0; v < call.rows.views; ++v) part.rows.stride[v][0] = call.columns;
                         return cuda_run_softmax(part, inside);
                       });
}

}  // namespace sigmax
