// What was measured, drawn from stored results.
#include "exit_code.hpp"
#include "figures.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <regex>
#include <set>

namespace sigmax_bench {
namespace {

constexpr std::size_t most_curves = 7;  // as many as there are colours
constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

std::string bytes_text(double bytes) {
  for (const auto& [size, unit] : {std::pair{0x1p30, "GiB"}, {0x1p20, "MiB"}, {0x1p10, "KiB"}}) {
    if (bytes >= size) return fmt::format("{:g} {}", bytes / size, unit);
  }
  return fmt::format("{:g} B", bytes);
}

std::regex pattern_of(const std::string& filter) {
  try {
    return std::regex(filter, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    throw usage_error(fmt::format("filter '{}' is no regular expression: {}", filter, error.what()));
  }
}

std::vector<const result_row*> timed_rows(const result_file& file, const std::string& filter) {
  const std::regex wanted = pattern_of(filter);
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

// One curve's points in the order of x.
curve curve_of(std::string name, const std::map<double, double>& points) {
  curve c{std::move(name), {}, {}};
  for (const auto& [x, y] : points) c.x.push_back(x), c.y.push_back(y);
  return c;
}

void add_caches(figure& f, const result_file& file) {
  if (!file.machine.contains("caches")) return;
  for (const auto& cache : file.machine["caches"]) {
    if (cache.value("type", "") == "Instruction") continue;
    const double size = cache.value("size", 0.0);
    if (size > f.x_low && size < f.x_high)
      f.x_marks.push_back({size, fmt::format("L{} {}", cache.value("level", 0), bytes_text(size))});
  }
}

// Working-set bytes to GB/s.
using speeds = std::map<double, double>;

void add_roofs(figure& f, const std::vector<const result_row*>& rows, const std::string& dtype,
               const std::string& threads) {
  speeds plain, nontemporal;
  for (const result_row* r : rows) {
    if (r->kind != "roof" || r->dtype != dtype || r->threads != threads || !r->form.empty()) continue;
    double& best = (r->op.find("nontemporal") != std::string::npos ? nontemporal : plain)[r->bytes];
    best = std::max(best, r->bytes_per_second() / 1e9);
  }
  for (auto& [name, points] : {std::pair{"copy", &plain}, {"non-temporal copy", &nontemporal}}) {
    if (points->size() < 2) continue;
    curve c = curve_of(name, *points);
    c.colour = grey_colour;
    c.dashed = points == &nontemporal;
    f.curves.push_back(std::move(c));
  }
}

}  // namespace

std::vector<figure> sweep_figures(const result_file& file, const std::string& filter) {
  const std::vector<const result_row*> rows = timed_rows(file, filter);
  std::map<std::pair<std::string, std::string>, std::vector<std::pair<std::string, speeds>>> groups;  // dtype, threads
  for (const result_row* r : rows) {
    if (r->bytes <= 0 || (r->kind != "kernel" && r->kind != "peer")) continue;
    auto& curves = groups[{r->dtype, r->threads}];
    std::string name = r->kind == "peer" ? r->library + ": " + r->op : r->op + (r->isa.empty() ? "" : " " + r->isa);
    if (!r->form.empty()) name += " " + r->form;
    if (r->rows > 0) name += fmt::format(" x{}", r->cols);
    auto found = std::find_if(curves.begin(), curves.end(), [&](const auto& c) { return c.first == name; });
    if (found == curves.end()) found = curves.insert(curves.end(), {name, {}});
    found->second[r->bytes] = r->bytes_per_second() / 1e9;
  }
  std::vector<figure> all;
  for (auto& [key, curves] : groups) {
    std::erase_if(curves, [](const auto& c) { return c.second.size() < 2; });
    for (std::size_t first = 0; first < curves.size(); first += most_curves) {
      figure f;
      f.name = file_name(fmt::format("sweep-{}-{}-{}t{}", file.label, key.first, key.second,
                                     first == 0 ? "" : fmt::format("-{}", first / most_curves + 1)));
      f.title =
          fmt::format("{}, {}, {} thread{}", file.machine_name(), key.first, key.second, key.second == "1" ? "" : "s");
      f.x_title = "bytes read and written";
      f.y_title = "GB/s";
      f.log_x = true;
      f.width = 760, f.height = 420;
      f.x_low = HUGE_VAL;
      double fastest = 0;
      for (std::size_t i = first; i < std::min(first + most_curves, curves.size()); ++i) {
        f.curves.push_back(curve_of(curves[i].first, curves[i].second));
        f.x_low = std::min(f.x_low, curves[i].second.begin()->first);
        f.x_high = std::max(f.x_high, curves[i].second.rbegin()->first);
        for (const double y : f.curves.back().y) fastest = std::max(fastest, y);
      }
      f.y_low = 0, f.y_high = 1.25 * fastest;  // a copy in L1 may be far above; room for the legend
      add_roofs(f, rows, key.first, key.second);
      add_caches(f, file);
      for (double b = 0x1p10; b <= f.x_high; b *= 4) {
        if (b >= f.x_low) f.x_ticks.push_back({b, bytes_text(b)});
      }
      all.push_back(std::move(f));
    }
  }
  return all;
}

std::vector<figure> heat_figures(const result_file& file, const std::string& filter) {
  std::map<std::string, std::map<std::pair<std::int64_t, std::int64_t>, double>> groups;
  for (const result_row* r : timed_rows(file, filter)) {
    if (r->kind != "kernel" || r->rows == 0 || r->bytes <= 0 || !r->form.empty()) continue;
    groups[fmt::format("{} {} {} {}t", r->op, r->dtype, r->isa, r->threads)][{r->elements / r->cols, r->cols}] =
        r->bytes_per_second() / 1e9;
  }
  std::vector<figure> all;
  for (const auto& [name, cells] : groups) {
    if (cells.size() < 3) continue;
    std::set<std::int64_t> rows, cols;
    for (const auto& [shape, speed] : cells) rows.insert(shape.first), cols.insert(shape.second);
    figure f;
    f.kind = figure::form::heat;
    f.name = file_name(fmt::format("heat-{}-{}", file.label, name));
    f.title = fmt::format("{}: GB/s, {}", name, file.machine_name());
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

figure ratio_figure(const matching& m, const std::string& filter) {
  const std::regex wanted = pattern_of(filter);
  figure f;
  f.kind = figure::form::bars;
  f.name = "comparison";
  f.title = fmt::format("times as fast as {}", m.columns.front().name);
  f.x_title = "times as fast";
  f.log_x = true;
  for (std::size_t i = 1; i < m.columns.size(); ++i) f.curves.push_back({m.columns[i].name, {}, {}});
  double least = 0.95, most = 1.05;
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
    }
  }
  if (f.categories.empty()) throw usage_error(fmt::format("no case's name matches '{}'", filter));
  f.x_low = least / 1.05, f.x_high = most * 1.05;
  f.x_marks.push_back({1, ""});
  for (double tick = 0x1p-10; tick <= 0x1p10; tick *= most / least > 3 ? 2 : std::sqrt(std::sqrt(2.0))) {
    if (tick >= f.x_low && tick <= f.x_high) f.x_ticks.push_back({tick, fmt::format("{:.3g}", tick)});
  }
  f.width = 860;
  f.height = 110 + static_cast<int>(f.categories.size() * (10 + 8 * f.curves.size()));
  return f;
}

}  // namespace sigmax_bench
