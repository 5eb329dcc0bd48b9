// What was measured, drawn from stored results.
#include "exit_code.hpp"
#include "figures.hpp"
#include "filter.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace sigmax_bench {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

}  // namespace

std::vector<const result_row*> timed_rows(const result_file& file, const std::string& filter) {
  const std::regex wanted = filter_of(filter);
  std::vector<const result_row*> rows;
  for (const result_row& r : file.rows) {
    if (!r.samples.empty() && (r.kind == "roof" || std::regex_search(r.name, wanted))) rows.push_back(&r);
  }
  return rows;
}

std::string file_name(std::string text) {
  for (char& c : text) {
    if (c == '/' || c == ' ' || c == ':') c = '-';
  }
  return text;
}

std::vector<figure> heat_figures(const result_file& file, const std::string& filter) {
  std::map<std::string, std::map<std::pair<std::int64_t, std::int64_t>, double>> groups;
  for (const result_row* r : timed_rows(file, filter)) {
    if (r->kind != "kernel" || r->rows == 0 || r->cols == 0 || r->bytes <= 0 || !r->form.empty()) continue;
    groups[fmt::format("{} {} {} {}t", r->op, r->dtype, r->isa, r->threads)][{r->elements / r->cols, r->cols}] =
        r->bytes_per_second() / 1e9;
  }
  std::vector<figure> all;
  for (const auto& [name, cells] : groups) {
    std::set<std::int64_t> rows, cols;
    for (const auto& [shape, speed] : cells) rows.insert(shape.first), cols.insert(shape.second);
    // What is no grid, or mostly holes, is better seen as curves.
    if (rows.size() < 2 || cols.size() < 2 || 2 * cells.size() < rows.size() * cols.size()) continue;
    figure f;
    f.kind = figure::form::heat;
    f.name = file_name(fmt::format("heat-{}-{}", file.label, name));
    f.title = fmt::format("{}, {}", name, file.machine_name());
    f.value_title = "GB/s";
    f.x_title = "columns";
    f.y_title = "rows";
    for (const std::int64_t c : cols) f.columns.push_back(fmt::format("{}", c));
    for (const std::int64_t r : rows) {
      f.categories.push_back(fmt::format("{}", r));
      f.cells.emplace_back();
      for (const std::int64_t c : cols) {
        const auto found = cells.find({r, c});
        f.cells.back().push_back(found == cells.end() ? nothing : found->second);
      }
    }
    f.width = std::max(420, 160 + 62 * static_cast<int>(cols.size()));
    f.height = 140 + 30 * static_cast<int>(rows.size());
    all.push_back(std::move(f));
  }
  return all;
}

namespace {

std::vector<mark> ratio_ticks(double low, double high) {
  std::vector<mark> ticks;
  if (high / low > 4) {
    for (double at = 0x1p-20; at <= std::min(high, 0x1p20); at *= 2) {
      if (at >= low) ticks.push_back({at, at < 1 ? fmt::format("1/{}", 1 / at) : fmt::format("{}", at)});
    }
    return ticks;
  }
  const double step = high / low > 2 ? 0.25 : high / low > 1.3 ? 0.1 : 0.05;
  for (double n = std::ceil(low / step); n * step <= high; ++n)
    ticks.push_back({n * step, fmt::format("{:.3g}", n * step)});
  return ticks;
}

}  // namespace

figure ratio_figure(const matching& m, const std::string& filter) {
  const std::regex wanted = filter_of(filter);
  figure f;
  f.kind = figure::form::bars;
  f.name = "comparison";
  f.title = fmt::format("Times as fast as {}, with 95 % intervals", m.columns.front().name);
  f.x_title = "times as fast";
  f.log_x = true;
  for (std::size_t i = 1; i < m.columns.size(); ++i) f.curves.push_back({m.columns[i].name, {}, {}});
  double least = 0.95, most = 1.05, slowest = least, fastest = most;
  for (const matched_case& line : m.cases) {
    if (!std::regex_search(line.name, wanted)) continue;
    f.categories.push_back(line.name);
    for (std::size_t i = 1; i < line.cells.size(); ++i) {
      const matched_cell& c = line.cells[i];
      const double ratio = c.row == nullptr ? nothing : c.ratio;
      curve& into = f.curves[i - 1];
      into.x.push_back(static_cast<double>(f.categories.size()));
      into.y.push_back(ratio);
      into.low.push_back(c.range ? c.range->low : ratio);
      into.high.push_back(c.range ? c.range->high : ratio);
      if (c.row == nullptr) continue;
      least = std::min(least, into.low.back());
      most = std::max(most, into.high.back());
      slowest = std::min(slowest, ratio);
      fastest = std::max(fastest, ratio);
    }
  }
  if (f.categories.empty()) throw usage_error(fmt::format("no case's name matches '{}'", filter));
  // One disturbed case must not flatten the others: its whisker leaves the picture.
  f.x_low = std::max(least, slowest / 1.5) / 1.05, f.x_high = std::min(most, fastest * 1.5) * 1.05;
  f.x_marks.push_back({1, ""});
  f.x_ticks = ratio_ticks(f.x_low, f.x_high);
  f.width = 860;
  f.height = 110 + static_cast<int>(f.categories.size() * (10 + 8 * f.curves.size()));
  return f;
}

}  // namespace sigmax_bench
