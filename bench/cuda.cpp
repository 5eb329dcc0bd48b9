#include "arguments.hpp"
#include "command.hpp"
#include "cuda_device.hpp"

#include <fmt/core.h>

#include <fstream>
#include <memory>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

struct cuda_arguments {
  std::vector<std::string> ops{"all"}, dtypes{"f32"}, sizes{"16Mi"};
  double min_time = 0.05;
  std::string json_file;
};

void measure_all(const cuda_arguments& a) {
  json results{{"device", cuda_device_block()}, {"results", json::array()}};
  fmt::print("{:<34} {:>12} {:>9} {:>8}\n", "case", "us", "GB/s", "of copy");
  for (const operation& op : parse_operations(a.ops)) {
    if (op.by_rows()) continue;  // "all" names them, too
    for (const std::string& dtype : a.dtypes)
      for (const std::string& size : a.sizes) {
        bench_case c;
        c.op = op;
        c.type = parse_dtype(dtype);
        c.size.cols = parse_size(size);
        c.where = sigmax::backend::cuda;
        const cuda_timing t = time_on_cuda(c, a.min_time);
        const double rate = static_cast<double>(c.bytes()) / t.ns;
        fmt::print("{:<34} {:>12.2f} {:>9.1f} {:>8.3f}\n", c.name(), t.ns / 1e3, rate, t.copy_ns / t.ns);
        results["results"].push_back({{"case", c.name()},
                                      {"bytes", c.bytes()},
                                      {"buffers", t.buffers},
                                      {"calls_in_graph", t.calls},
                                      {"ns", t.ns},
                                      {"lowest_ns", t.lowest_ns},
                                      {"highest_ns", t.highest_ns},
                                      {"copy_ns", t.copy_ns}});
      }
  }
  if (a.json_file.empty()) return;
  std::ofstream file(a.json_file);
  file << results.dump(1) << '\n';
  if (!file.good()) throw usage_error("cannot write " + a.json_file);
}

}  // namespace

void add_cuda(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("cuda",
                                         "Times elementwise functions and gates on the GPU by graph replay, beside a "
                                         "copy of as many bytes in the same run");
  const auto a = std::make_shared<cuda_arguments>();
  command->add_option("--op", a->ops, "gelu, gelu:fast, gelu:gradient, swiglu, all, gates ...")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--dtype", a->dtypes, "f32, f16, bf16")->delimiter(',')->capture_default_str();
  command->add_option("--size", a->sizes, "Elements: 4096, 64Ki, 16Mi ...")->delimiter(',')->capture_default_str();
  command->add_option("--min-time", a->min_time, "Seconds of each case on the device")->capture_default_str();
  command->add_option("--json", a->json_file, "Writes the results to this file, too");
  command->footer("Example:\n  sigmax-bench cuda --op gelu,silu --dtype f32,bf16 --size 64Ki,16Mi --json cuda.json");
  command->callback([a] { measure_all(*a); });
}

}  // namespace sigmax_bench
