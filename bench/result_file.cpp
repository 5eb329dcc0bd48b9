#include "result_file.hpp"

#include "exit_code.hpp"
#include "json_problem.hpp"
#include "output_file.hpp"
#include "statistics.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

std::string text(const json& j, const char* key) {
  const auto found = j.find(key);
  return found != j.end() && found->is_string() ? found->get<std::string>() : "";
}

double number(const json& j, const char* key, double otherwise = 0) {
  const auto found = j.find(key);
  return found != j.end() && found->is_number() ? found->get<double>() : otherwise;
}

// Of a count: not negative, and within what a double holds exactly.
std::int64_t count(const json& j, const char* key, std::int64_t otherwise) {
  const double value = number(j, key, static_cast<double>(otherwise));
  return value >= 0 && value < 0x1p53 ? static_cast<std::int64_t>(value) : otherwise;
}

// "gelu/f32/64Ki/avx512/1t/in_place" or "onednn:gelu/f32/64Ki/1t"; anything else is all op.
void take_name(result_row& row, bool has_library) {
  std::vector<std::string> parts;
  std::istringstream in(row.name);
  for (std::string part; std::getline(in, part, '/');) parts.push_back(part);
  if (parts.size() < 4) {
    row.op = row.name;
    return;
  }
  row.op = parts[0];
  row.dtype = parts[1];
  row.size = parts[2];
  std::size_t next = 3;
  if (!parts[3].ends_with('t') || parts[3].find_first_not_of("0123456789t") != std::string::npos)
    row.isa = parts[next++];
  if (next < parts.size()) row.threads = parts[next].substr(0, parts[next].size() - 1);
  for (++next; next < parts.size(); ++next) row.form += (row.form.empty() ? "" : "+") + parts[next];
  const std::size_t colon = row.op.find(':');
  if (!has_library || colon == std::string::npos) return;
  row.library = row.op.substr(0, colon);
  row.op = row.op.substr(colon + 1);
}

double nanoseconds(const std::string& unit) {
  if (unit.empty() || unit == "ns") return 1;
  if (unit == "us") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  throw usage_error(fmt::format("unknown time unit '{}'", unit));
}

result_row row_of(const json& entry) {
  result_row row;
  row.name = text(entry, "run_name").empty() ? text(entry, "name") : text(entry, "run_name");
  if (row.name.empty()) throw usage_error("an entry has no name");
  row.kind = text(entry, "kind").empty() ? "kernel" : text(entry, "kind");
  take_name(row, row.kind == "peer" || row.kind == "naive");
  if (row.kind == "kernel") row.library = "sigmax";
  row.backend = text(entry, "backend").empty() ? "cpu" : text(entry, "backend");
  row.elements = std::max<std::int64_t>(1, count(entry, "elements", 1));
  row.rows = count(entry, "rows", 0);
  row.cols = count(entry, "cols", 0);
  row.max_ulp = number(entry, "max_ulp_seen", -1);
  row.roof = std::max(number(entry, "roof_plain"), number(entry, "roof_nt"));
  row.repro = text(entry, "repro");
  if (entry.value("error_occurred", false)) {
    row.problem = text(entry, "error_message").empty() ? "failed" : text(entry, "error_message");
    return row;
  }
  const double unit = nanoseconds(text(entry, "time_unit"));
  if (entry.contains("samples") && !entry["samples"].empty()) {
    row.samples = entry["samples"].get<std::vector<double>>();
  } else {
    row.samples = {entry.at("real_time").get<double>()};
  }
  for (double& s : row.samples) {
    s *= unit;
    if (!std::isfinite(s) || s <= 0) throw usage_error(fmt::format("'{}' has a time of {} ns", row.name, s));
  }
  row.bytes = std::round(number(entry, "bytes_per_second") * row.time() / 1e9);
  if (!std::isfinite(row.bytes) || !std::isfinite(row.bytes_per_second()))
    throw usage_error(fmt::format("'{}' moves {} bytes in {} ns", row.name, row.bytes, row.time()));
  return row;
}

// Google Benchmark's own files have one entry a repetition and aggregates after them: one row a name remains.
std::vector<result_row> rows_of(const json& entries) {
  std::vector<result_row> rows;
  std::map<std::string, std::size_t> at;
  for (const json& entry : entries) {
    const std::string aggregate = text(entry, "aggregate_name");
    if (!aggregate.empty() && aggregate != "median") continue;
    result_row row = row_of(entry);
    const auto [found, is_new] = at.emplace(row.name, rows.size());
    if (is_new) {
      rows.push_back(std::move(row));
    } else if (aggregate.empty()) {
      auto& samples = rows[found->second].samples;
      samples.insert(samples.end(), row.samples.begin(), row.samples.end());
    }
  }
  return rows;
}

// What is read from it later, of the right kind: a broken file must not end a report half way.
void require_machine(const json& machine) {
  if (!machine.is_object()) throw usage_error("its machine is no object");
  if (!machine.contains("caches")) return;
  for (const json& cache : machine["caches"]) {
    for (const char* key : {"level", "size", "num_sharing"}) {
      if (!cache.at(key).is_number_unsigned()) throw usage_error(fmt::format("a cache's {} is no number", key));
    }
    if (!cache.at("type").is_string()) throw usage_error("a cache has no type");
  }
}

}  // namespace

double result_row::time() const { return median(samples); }

double result_row::spread() const {
  if (samples.size() < 2) return 0;
  const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
  return (*high - *low) / 2 / time();
}

std::string result_file::machine_id() const { return text(machine, "machine_id"); }

std::string result_file::machine_name() const {
  const std::string cpu = text(machine, "cpu"), generation = text(machine, "microarchitecture");
  if (cpu.empty()) return text(context, "host_name").empty() ? label : text(context, "host_name");
  return fmt::format("{}{}, {:.0f} cores", cpu,
                     generation.empty() || generation == "unknown" ? "" : fmt::format(" ({})", generation),
                     number(machine, "cores"));
}

result_file parse_results(std::string_view content, const std::string& path) {
  result_file file{path, std::filesystem::path(path).stem().string(), {}, {}, {}};
  try {
    const json all = json::parse(content);
    if (!all.is_object()) throw usage_error("it has no 'context'");
    file.context = all.at("context");
    file.machine = file.context.value("machine", json::object());  // throws unless the context is an object
    require_machine(file.machine);
    file.rows = rows_of(all.at("benchmarks"));
  } catch (const json::exception& error) {
    throw usage_error(fmt::format("'{}' is not a result of 'run': {}", path, json_problem(error)));
  } catch (const usage_error& error) {
    throw usage_error(fmt::format("'{}' is not a result of 'run': {}", path, error.what()));
  }
  if (file.rows.empty()) throw usage_error(fmt::format("'{}' holds no results", path));
  return file;
}

result_file read_results(const std::string& path) { return parse_results(read_text(path), path); }

std::vector<result_file> read_all(const std::vector<std::string>& paths) {
  std::vector<result_file> files;
  for (const std::string& path : paths) {
    result_file file = read_results(path);
    const auto taken = [&](const std::string& label) {
      return std::any_of(files.begin(), files.end(), [&](const result_file& f) { return f.label == label; });
    };
    const std::string label = file.label;
    for (int i = 2; taken(file.label); ++i) file.label = fmt::format("{} ({})", label, i);
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace sigmax_bench
