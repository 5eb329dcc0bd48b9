#include "matching.hpp"

#include "exit_code.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

namespace sigmax_bench {
namespace {

constexpr std::pair<const char*, compared_by> keys_by_word[] = {
    {"file", compared_by::file},       {"machine", compared_by::machine}, {"backend", compared_by::backend},
    {"isa", compared_by::isa},         {"library", compared_by::library}, {"dtype", compared_by::dtype},
    {"threads", compared_by::threads},
};

bool takes_fastest_isa(compared_by by) {
  return by == compared_by::machine || by == compared_by::backend || by == compared_by::library;
}

// Two machines of one kind are still two columns.
std::string machine_column(std::span<const result_file> files, const result_file& file) {
  for (const result_file& other : files) {
    if (other.machine_name() == file.machine_name() && other.machine_id() != file.machine_id())
      return fmt::format("{} [{}]", file.machine_name(), file.label);
  }
  return file.machine_name();
}

std::string column_of(std::span<const result_file> files, const result_file& file, const result_row& row,
                      compared_by by) {
  switch (by) {
    case compared_by::file: return file.label;
    case compared_by::machine: return machine_column(files, file);
    case compared_by::backend: return row.backend;
    case compared_by::isa: return row.isa;
    case compared_by::library: return row.library;
    case compared_by::dtype: return row.dtype;
    case compared_by::threads: return row.threads;
  }
  return "";
}

bool takes_part(const result_row& row, compared_by by, bool with_roofs) {
  if (row.kind == "roof") return with_roofs && (by == compared_by::file || by == compared_by::machine);
  if (row.kind == "naive") return by == compared_by::library;
  return true;
}

// The case without what the columns differ in; where there are several machines, with the one that it was measured on.
std::string case_of(const std::string& machine, const result_row& row, compared_by by) {
  if (by == compared_by::file) return row.name;
  std::string name = row.op;
  const auto add = [&](const std::string& part, compared_by without) {
    if (by != without && !part.empty()) name += "/" + part;
  };
  if (by != compared_by::library && row.kind == "peer") name = row.library + ":" + name;
  add(row.dtype, compared_by::dtype);
  add(row.size, compared_by::file);
  if (!takes_fastest_isa(by)) add(row.isa, compared_by::isa);
  add(row.threads.empty() ? "" : row.threads + "t", compared_by::threads);
  add(row.form, compared_by::file);
  if (by != compared_by::machine && !machine.empty()) name += " on " + machine;
  return name;
}

std::vector<double> per_element(const result_row& row) {
  std::vector<double> values = row.samples;
  for (double& v : values) v /= static_cast<double>(row.elements);
  return values;
}

void compare_with_first(matched_cell& cell, const matched_cell& first) {
  cell.ratio = first.row->ns_per_element() / cell.row->ns_per_element();
  if (first.row->samples.size() >= 3 && cell.row->samples.size() >= 3)
    cell.range = ratio_interval(per_element(*first.row), per_element(*cell.row), 2000, 1);
}

struct collected {
  std::vector<std::string> columns, order;                      // `columns` as met, without repetition
  std::map<std::string, std::vector<const result_row*>> cases;  // one entry a column
};

void take(collected& all, const std::string& name, const std::string& column, const result_row& row) {
  auto at = std::find(all.columns.begin(), all.columns.end(), column);
  if (at == all.columns.end()) at = all.columns.insert(at, column);
  const auto index = static_cast<std::size_t>(at - all.columns.begin());
  auto [found, is_new] = all.cases.try_emplace(name);
  if (is_new) all.order.push_back(name);
  if (found->second.size() <= index) found->second.resize(index + 1);
  const result_row*& cell = found->second[index];
  if (cell == nullptr || row.ns_per_element() < cell->ns_per_element()) cell = &row;
}

// The reference first.
void put_first(collected& all, const std::string& reference) {
  const auto at = std::find(all.columns.begin(), all.columns.end(), reference);
  if (at == all.columns.end()) {
    throw usage_error(
        fmt::format("no column '{}' to compare with (there are {})", reference, fmt::join(all.columns, ", ")));
  }
  const auto index = at - all.columns.begin();
  std::rotate(all.columns.begin(), at, at + 1);
  for (auto& [name, rows] : all.cases) {
    rows.resize(all.columns.size());
    std::rotate(rows.begin(), rows.begin() + index, rows.begin() + index + 1);
  }
}

collected collect(std::span<const result_file> files, compared_by by, bool with_roofs, matching& into) {
  collected all;
  const bool one_machine = std::all_of(
      files.begin(), files.end(), [&](const result_file& f) { return f.machine_id() == files.front().machine_id(); });
  for (const result_file& file : files) {
    const std::string machine = one_machine ? "" : machine_column(files, file);
    for (const result_row& row : file.rows) {
      if (!takes_part(row, by, with_roofs)) continue;
      if (row.samples.empty()) {
        into.without_time.push_back(fmt::format("{}: {}: {}", file.label, row.name, row.problem));
        continue;
      }
      const std::string column = column_of(files, file, row, by);
      if (column.empty()) continue;  // a peer has no ISA
      take(all, case_of(machine, row, by), column, row);
    }
  }
  return all;
}

}  // namespace

compared_by parse_compared_by(const std::string& word) {
  std::string known;
  for (const auto& [name, by] : keys_by_word) {
    if (word == name) return by;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw usage_error(fmt::format("cannot compare by '{}' (there are {})", word, known));
}

matching match(std::span<const result_file> files, compared_by by, bool with_roofs, const std::string& reference) {
  matching result;
  collected all = collect(files, by, with_roofs, result);
  if (!reference.empty()) put_first(all, reference);
  const std::size_t count = all.columns.size();
  if (count < 2)
    throw usage_error(
        count == 0 ? "these files have no times to compare"
                   : fmt::format("only '{}' is in these files: nothing to compare it with", all.columns.front()));
  for (const std::string& column : all.columns) result.columns.push_back({column});
  std::vector<std::vector<double>> ratios(count);
  for (const std::string& name : all.order) {
    matched_case line{name, std::vector<matched_cell>(count)};
    const std::vector<const result_row*>& rows = all.cases.at(name);
    std::size_t present = 0, last = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] != nullptr) line.cells[i].row = rows[i], ++present, last = i;
    }
    if (line.cells[0].row == nullptr || present < 2) {
      result.unmatched.push_back(present > 1 ? fmt::format("not in {}: {}", all.columns[0], name)
                                             : fmt::format("only in {}: {}", all.columns[last], name));
      continue;
    }
    for (std::size_t i = 1; i < count; ++i) {
      if (line.cells[i].row == nullptr) continue;
      compare_with_first(line.cells[i], line.cells[0]);
      ratios[i].push_back(line.cells[i].ratio);
    }
    result.cases.push_back(std::move(line));
  }
  for (std::size_t i = 1; i < count; ++i) {
    result.columns[i].geometric_mean = geometric_mean(ratios[i]);
    result.columns[i].ratios = static_cast<int>(ratios[i].size());
  }
  if (result.cases.empty())
    throw usage_error(
        fmt::format("no case is both in '{}' and in another column: nothing to compare", all.columns.front()));
  return result;
}

}  // namespace sigmax_bench
