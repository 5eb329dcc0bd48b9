#include "cuda_device.hpp"

#include "cuda_call.hpp"
#include "cuda_memory.hpp"
#include "cudnn.hpp"
#include "row_op.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

namespace sigmax_bench {
namespace {

constexpr std::int64_t pattern_elements = std::int64_t{1} << 20;  // inputs repeat after about as many
constexpr std::int64_t verified_elements = 65536;

/// As many whole rows of `c` as have `elements`, at least one; or a plain run of so many.
extent part_of(const bench_case& c, std::int64_t elements) {
  const extent& all = c.size;
  if (all.rows == 0) return {0, std::min(all.cols, elements)};
  if (c.op.has(row_option::causal)) return {all.rows, all.cols};  // what a row sees depends on where it is
  return {std::clamp<std::int64_t>(elements / all.cols, 1, all.all_rows()), all.cols};
}

/// One set of tensors on the device. Misaligned ones begin one element later.
class device_tensors {
 public:
  explicit device_tensors(const bench_case& c) {
    const tensor_counts counts = counts_of(c);
    const auto n = static_cast<std::size_t>(c.size.elements() * size_of(c.type));
    const std::size_t shift = c.misaligned ? static_cast<std::size_t>(size_of(c.type)) : 0;
    const auto make = [&](int count) -> void* {
      if (count == 0) return nullptr;
      memory_.push_back(allocate(static_cast<std::size_t>(count) * n + shift));
      return static_cast<std::byte*>(memory_.back().get()) + shift;
    };
    for (std::size_t i = 0; i < at.in.size(); ++i) at.in[i] = make(counts.in[i]);
    for (std::size_t i = 0; i < at.out.size(); ++i) at.out[i] = make(counts.out[i]);
  }

  call_tensors at;

 private:
  std::vector<device_bytes> memory_;
};

/// The image over and over: from the host once, then what is there doubles.
void spread(void* to, std::size_t bytes, const void* image, std::size_t image_bytes) {
  std::size_t have = std::min(bytes, image_bytes);
  copy(to, image, have);
  for (; have < bytes; have += std::min(have, bytes - have))
    copy(static_cast<std::byte*>(to) + have, to, std::min(have, bytes - have));
}

/// Milliseconds of each of several turns of `calls` calls of work(i), sorted: replays of a graph, or launched one by
/// one.
std::vector<double> time_calls(cudaStream_t stream, int calls, double min_seconds, bool captured,
                               const std::function<void(int)>& work) {
  const auto all = [&] {
    for (int i = 0; i < calls; ++i) work(i);
  };
  cudaGraphExec_t replay = nullptr;
  if (captured) {
    cudaGraph_t graph = nullptr;
    require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
    try {
      all();
    } catch (...) {
      static_cast<void>(cudaStreamEndCapture(stream, &graph));
      static_cast<void>(cudaGetLastError());
      throw;
    }
    require(cudaStreamEndCapture(stream, &graph), "capture");
    require(cudaGraphInstantiate(&replay, graph, 0), "graph");
    static_cast<void>(cudaGraphDestroy(graph));
  }
  const auto turn = [&] { captured ? require(cudaGraphLaunch(replay, stream), "graph") : all(); };
  cudaEvent_t begin = nullptr, end = nullptr;
  require(cudaEventCreate(&begin), "event");
  require(cudaEventCreate(&end), "event");
  for (int warm = 0; warm < 3; ++warm) turn();
  std::vector<double> times;
  for (double spent = 0; spent < 1e3 * min_seconds || times.size() < 5;) {
    require(cudaEventRecord(begin, stream), "event");
    turn();
    require(cudaEventRecord(end, stream), "event");
    require(cudaEventSynchronize(end), "work on the device");
    float milliseconds = 0;
    require(cudaEventElapsedTime(&milliseconds, begin, end), "event");
    times.push_back(static_cast<double>(milliseconds));
    spent += times.back();
  }
  std::sort(times.begin(), times.end());
  static_cast<void>(cudaEventDestroy(begin));
  static_cast<void>(cudaEventDestroy(end));
  if (captured) static_cast<void>(cudaGraphExecDestroy(replay));
  return times;
}

class case_run {
 public:
  case_run(const bench_case& c, double min_seconds)
      : c_(c), head_(c), image_(c), min_seconds_(min_seconds), memory_(std::span(&image_, 1)) {
    head_.size = part_of(c, pattern_elements);
    image_.size = head_.size;
    if (c.op.of_gate() && c.size.rows > 0) image_.size.cols *= 2;  // packed halves
    memory_.prepare(image_);
    how_.stream = stream_;
    how_.accuracy = c.op.accuracy;
    // Near a millisecond a graph, if a call moves 3 TB/s and takes 2 us at least.
    result.buffers = static_cast<int>(2 * attribute(cudaDevAttrL2CacheSize) / c.bytes()) + 1;
    const double a_call = std::max(2e-6, static_cast<double>(c.bytes()) / 3e12);
    result.calls = std::max(result.buffers, static_cast<int>(1e-3 / a_call));
    for (int i = 0; i < result.buffers; ++i) fill(sets_.emplace_back(c));
    // Copies within the device return before they are done, and no stream of ours waits for them.
    require(cudaDeviceSynchronize(), "inputs");
  }

  void verify() {
    launch(0);
    stream_.wait();
    if (c_.op.of_gate()) {
      result.checked.ok = true;
    } else {
      result.checked = sigmax_bench::verify(head_, memory_, [&](const float*, float* y) { fetch_head(y); });
    }
    if (!result.checked.ok) return;
    c_.op.by_rows() ? compare_last_rows() : compare_with_cpu();
  }

  void time() {
    result.ns = a_call(time_calls(stream_, result.calls, min_seconds_, true, [&](int i) { launch(i); }));
    // A copy reads and writes as much as the call altogether. In pieces: one of 512 MiB in a graph takes half as long
    // again on an H200 as the same outside (2.76 for 4.2 TB/s, driver 580), and two of 256 MiB do not.
    constexpr std::size_t piece = std::size_t{256} << 20;
    const auto half = static_cast<std::size_t>(c_.bytes() / 2);
    std::vector<device_bytes> from, to;
    for (int i = 0; i < result.buffers; ++i) {
      from.push_back(allocate(half));
      to.push_back(allocate(half));
      require(cudaMemset(from.back().get(), 0x3c, half), "memset");
    }
    result.copy_ns = a_call(time_calls(stream_, result.calls, min_seconds_, true, [&](int i) {
      const auto set = static_cast<std::size_t>(i % result.buffers);
      for (std::size_t done = 0; done < half; done += piece)
        require(cudaMemcpyAsync(static_cast<std::byte*>(to[set].get()) + done,
                                static_cast<std::byte*>(from[set].get()) + done, std::min(piece, half - done),
                                cudaMemcpyDeviceToDevice, stream_),
                "copy");
    }));
  }

  void time_cudnn() {
    device_peer_timing& t = result.cudnn;
    const cudnn_call call = make_cudnn_call(c_, stream_);
    if (!call) {
      t.problem = "cuDNN lacks it";
      return;
    }
    const call_tensors& first = sets_.front().at;
    t.problem = call(first.in[0], first.out[0]);
    if (!t.problem.empty()) return;
    stream_.wait();
    t.max_error = sigmax_bench::verify(head_, memory_, [&](const float*, float* y) { fetch_head(y); }).max_error;
    const auto work = [&](int i) {
      const call_tensors& set = set_of(i);
      if (const std::string problem = call(set.in[0], set.out[0]); !problem.empty()) throw usage_error(problem);
    };
    for (const bool captured : {true, false}) {  // not everything of cuDNN can be captured
      try {
        t.ns = a_call(time_calls(stream_, result.calls, min_seconds_, captured, work));
        return;
      } catch (const usage_error& error) {
        t.problem = error.what();
      }
    }
  }

  cuda_timing result;

 private:
  std::size_t bytes_of(const extent& size) const {
    return static_cast<std::size_t>(size.elements() * size_of(c_.type));
  }
  const call_tensors& set_of(int i) const { return sets_[static_cast<std::size_t>(i % result.buffers)].at; }
  void launch(int i) { require(call_on(c_, c_.size, set_of(i), sigmax::memory::cuda, how_)); }
  void fetch_head(void* y) const { copy(y, sets_.front().at.out[0], bytes_of(head_.size)); }

  std::vector<double> a_call(std::vector<double> milliseconds) const {
    for (double& t : milliseconds) t *= 1e6 / result.calls;
    return milliseconds;
  }

  /// Gradients read dy first; the second input of a gate is dy's numbers, which lie about 1.
  const void* image_of(std::size_t input) const {
    const bool gradient = c_.op.kind == op_kind::gradient || c_.op.kind == op_kind::gated_gradient;
    if (c_.op.takes_forward_result()) return input == 0 ? memory_.dy() : memory_.forward_result();
    return (input == 1) == gradient ? memory_.x() : memory_.dy();
  }
  void fill(device_tensors& set) const {
    const tensor_counts counts = counts_of(c_);
    for (std::size_t i = 0; i < set.at.in.size(); ++i) {
      const auto count = static_cast<std::size_t>(counts.in[i]);
      if (count > 0) spread(set.at.in[i], count * bytes_of(c_.size), image_of(i), count * bytes_of(head_.size));
    }
  }

  /// The first and the last elements or rows, bit for bit.
  void compare_with_cpu() {
    const extent part = part_of(c_, verified_elements);
    const tensor_counts counts = counts_of(c_);
    sigmax::options on_cpu = how_;
    on_cpu.stream = nullptr;
    on_cpu.where = sigmax::backend::cpu;
    for (const std::size_t first : {std::size_t{0}, bytes_of(c_.size) - bytes_of(part)}) {
      std::vector<std::byte> in[3], got[2], expected[2];
      const auto fetch = [&](std::vector<std::byte>& into, const void* from, int count) {
        const auto times = static_cast<std::size_t>(count);
        into.resize(times * bytes_of(part));
        if (count > 0) copy(into.data(), static_cast<const std::byte*>(from) + times * first, into.size());
      };
      const call_tensors& device = sets_.front().at;
      call_tensors host;
      for (std::size_t i = 0; i < host.in.size(); ++i) {
        fetch(in[i], device.in[i], counts.in[i]);
        host.in[i] = in[i].data();
      }
      for (std::size_t i = 0; i < host.out.size(); ++i) {
        fetch(got[i], device.out[i], counts.out[i]);
        expected[i].resize(got[i].size());
        host.out[i] = expected[i].data();
      }
      require(call_on(c_, part, host, sigmax::memory::host, on_cpu));
      if (got[0] != expected[0] || got[1] != expected[1]) return wrong("the results on CUDA are not those of the CPU");
      if (c_.op.of_gate()) result.checked.checked += part.elements();
    }
  }

  /// Inputs repeat, so the last rows must have the bits of earlier ones.
  void compare_last_rows() {
    const std::int64_t period = head_.size.all_rows(), rows = c_.size.all_rows(), count = (rows - 1) % period + 1;
    const extent part{count, c_.size.cols};
    std::vector<std::byte> early(bytes_of(part)), late(early.size());
    const auto* y = static_cast<const std::byte*>(sets_.front().at.out[0]);
    copy(early.data(), y, early.size());
    copy(late.data(), y + bytes_of(c_.size) - late.size(), late.size());
    if (early != late) wrong("the last rows have other bits than the same rows at the beginning");
  }

  void wrong(const char* how) {
    result.checked.ok = false;
    result.checked.message = fmt::format("{}: {}", c_.name(), how);
  }

  const bench_case& c_;
  bench_case head_, image_;  // the part that is verified, and what its inputs are made as
  double min_seconds_;
  operands memory_;
  device_stream stream_;
  sigmax::options how_;
  std::vector<device_tensors> sets_;
};

std::string version_text(int version) { return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10); }

}  // namespace

nlohmann::ordered_json cuda_device_block() {
  require_device();
  cudaDeviceProp about{};
  int driver = 0, runtime = 0;
  require(cudaGetDeviceProperties(&about, 0), "device");
  require(cudaDriverGetVersion(&driver), "driver");
  require(cudaRuntimeGetVersion(&runtime), "runtime");
  return {{"name", about.name},
          {"compute_capability", fmt::format("{}.{}", about.major, about.minor)},
          {"multiprocessors", about.multiProcessorCount},
          {"mhz", attribute(cudaDevAttrClockRate) / 1000},
          {"memory_mhz", attribute(cudaDevAttrMemoryClockRate) / 1000},
          {"l2_bytes", about.l2CacheSize},
          {"memory_bytes", about.totalGlobalMem},
          {"driver", version_text(driver)},
          {"runtime", version_text(runtime)}};
}

cuda_timing time_on_cuda(const bench_case& c, double min_seconds, bool with_cudnn) {
  require_device();
  case_run run(c, min_seconds);
  run.verify();
  if (!run.result.checked.ok) return std::move(run.result);
  run.time();
  if (with_cudnn) run.time_cudnn();
  return std::move(run.result);
}

}  // namespace sigmax_bench
