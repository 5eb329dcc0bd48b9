// Stored results, read back: the JSON of `run`, or of Google Benchmark itself.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigmax_bench {

struct result_row {
  std::string name;                                          // "gelu/f32/64Ki/avx512/1t", "onednn:gelu/f32/64Ki/1t"
  std::string kind;                                          // "kernel", "peer", "naive" or "roof"
  std::string library;                                       // "sigmax", the peer's name, "naive"; "" of a roof
  std::string op, dtype, size, backend, isa, threads, form;  // form: "", "in_place", "cold"
  std::int64_t elements = 1, rows = 0, cols = 0;
  double bytes = 0;             // algorithmic, of one call; 0 where not known
  std::vector<double> samples;  // ns a call; empty where there is no time, and `problem` says why
  double max_ulp = -1;          // -1 where not known
  double roof = 0;              // bytes a second of the better copy of that run
  std::string problem, repro;

  double time() const;  // median, ns a call
  double ns_per_element() const { return time() / static_cast<double>(elements); }
  double bytes_per_second() const { return bytes / time() * 1e9; }
  double spread() const;  // half the range over the median
};

struct result_file {
  std::string path, label;  // label: the file's name without folder and extension
  nlohmann::ordered_json context, machine;
  std::vector<result_row> rows;

  std::string machine_id() const;
  std::string machine_name() const;  // "AMD EPYC (Zen 4), 2 cores"
};

/// Throws usage_error with one line for what cannot be read or is no such file.
result_file read_results(const std::string& path);
result_file parse_results(std::string_view content, const std::string& path);

/// Every file of `paths`, with labels that differ.
std::vector<result_file> read_all(const std::vector<std::string>& paths);

}  // namespace sigmax_bench
