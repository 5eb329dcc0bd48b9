#include "matching_output.hpp"

#include "page.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

std::string as_text(const json& block, const char* key) {
  const auto found = block.find(key);
  return found == block.end() || found->is_null() ? "" : found->is_string() ? found->get<std::string>() : found->dump();
}

std::string ratio_text(const matched_cell& cell) {
  if (cell.row == nullptr) return "-";
  return cell.range ? fmt::format("{:.3f}x [{:.3f}, {:.3f}]", cell.ratio, cell.range->low, cell.range->high)
                    : fmt::format("{:.3f}x", cell.ratio);
}

std::string time_text(const matched_cell& cell) {
  return cell.row == nullptr ? "-"
                             : fmt::format("{:.4g} ±{:.1f}%", cell.row->ns_per_element(), 100 * cell.row->spread());
}

std::string mean_text(const matched_column& c) {
  return c.ratios == 0 ? "-" : fmt::format("{:.3f}x of {}", c.geometric_mean, c.ratios);
}

}  // namespace

table matching_table(const matching& m) {
  table t{{{"case"}}, {}};
  for (std::size_t i = 0; i < m.columns.size(); ++i) {
    t.columns.push_back({m.columns[i].name + ", ns/elem", true});
    if (i > 0) t.columns.push_back({"times as fast", true});
  }
  for (const matched_case& line : m.cases) {
    std::vector<std::string> row{line.name};
    for (std::size_t i = 0; i < line.cells.size(); ++i) {
      row.push_back(time_text(line.cells[i]));
      if (i > 0) row.push_back(ratio_text(line.cells[i]));
    }
    t.rows.push_back(std::move(row));
  }
  std::vector<std::string> means{"geometric mean", ""};
  for (std::size_t i = 1; i < m.columns.size(); ++i) {
    means.emplace_back();
    means.push_back(mean_text(m.columns[i]));
  }
  t.rows.push_back(std::move(means));
  return t;
}

table machine_table(std::span<const result_file> files) {
  table t{{{"file"}, {"machine"}, {"kernel"}, {"isa"}, {"compiler"}, {"flags"}, {"commit"}, {"date"}, {"id"}}, {}};
  for (const result_file& f : files) {
    t.rows.push_back({f.label, f.machine_name(), as_text(f.machine, "kernel"), as_text(f.machine, "isa"),
                      as_text(f.machine, "compiler"), as_text(f.machine, "flags"), as_text(f.machine, "commit"),
                      as_text(f.context, "date"), f.machine_id()});
  }
  return t;
}

std::string left_out(const matching& m, std::size_t limit) {
  std::string out;
  const auto list = [&](const char* title, const std::vector<std::string>& lines) {
    if (lines.empty()) return;
    out += fmt::format("{} ({}):\n", title, lines.size());
    const std::size_t shown = limit == 0 ? lines.size() : std::min(limit, lines.size());
    for (std::size_t i = 0; i < shown; ++i) out += "  " + lines[i] + "\n";
    if (shown < lines.size()) out += fmt::format("  and {} more\n", lines.size() - shown);
  };
  list("Unmatched", m.unmatched);
  list("Without a time", m.without_time);
  return out;
}

std::string matching_legend(const matching& m) {
  return fmt::format(
      "Medians, ± half the range of the repetitions. Times as fast: time per element of {} over that of the column; in "
      "brackets the 95 % bootstrap interval of that ratio of medians, where both have three samples or more.",
      m.columns.front().name);
}

std::string matching_markdown(std::span<const result_file> files, const matching& m) {
  const std::string rest = left_out(m, 0);
  return fmt::format("{}\n{}\n{}\n{}{}", machine_table(files).markdown(), matching_table(m).markdown(),
                     matching_legend(m), rest.empty() ? "" : "\n", rest);
}

std::string matching_csv(const matching& m) {
  table t{{{"case"}, {"column"}, {"ns_per_element"}, {"spread"}, {"ratio"}, {"ratio_low"}, {"ratio_high"}}, {}};
  for (const matched_case& line : m.cases) {
    for (std::size_t i = 0; i < line.cells.size(); ++i) {
      const matched_cell& c = line.cells[i];
      if (c.row == nullptr) continue;
      t.rows.push_back({line.name, m.columns[i].name, fmt::format("{:.6g}", c.row->ns_per_element()),
                        fmt::format("{:.4g}", c.row->spread()), i == 0 ? "1" : fmt::format("{:.6g}", c.ratio),
                        c.range ? fmt::format("{:.6g}", c.range->low) : "",
                        c.range ? fmt::format("{:.6g}", c.range->high) : ""});
    }
  }
  return t.csv();
}

json matching_json(std::span<const result_file> files, const matching& m) {
  json sources = json::array(), columns = json::array(), cases = json::array();
  for (const result_file& f : files)
    sources.push_back({{"label", f.label}, {"date", as_text(f.context, "date")}, {"machine", f.machine}});
  for (const matched_column& c : m.columns) {
    columns.push_back({{"name", c.name},
                       {"geometric_mean", c.ratios == 0 ? json(nullptr) : json(c.geometric_mean)},
                       {"ratios", c.ratios}});
  }
  for (const matched_case& line : m.cases) {
    json cells = json::array();
    for (const matched_cell& c : line.cells) {
      if (c.row == nullptr) {
        cells.push_back(nullptr);
        continue;
      }
      cells.push_back({{"name", c.row->name},
                       {"ns_per_element", c.row->ns_per_element()},
                       {"spread", c.row->spread()},
                       {"ratio", c.ratio == 0 ? json(nullptr) : json(c.ratio)},
                       {"interval", c.range ? json{c.range->low, c.range->high} : json(nullptr)}});
    }
    cases.push_back({{"case", line.name}, {"cells", std::move(cells)}});
  }
  return {{"sigmax_schema_version", 1}, {"files", std::move(sources)}, {"columns", std::move(columns)},
          {"cases", std::move(cases)},  {"unmatched", m.unmatched},    {"without_time", m.without_time}};
}

std::string matching_html(std::span<const result_file> files, const matching& m) {
  std::string body = heading(2, "Machines and builds") + machine_table(files).html() + heading(2, "Comparison") +
                     matching_table(m).html() + paragraph(matching_legend(m));
  if (const std::string rest = left_out(m, 0); !rest.empty())
    body += heading(2, "Left out") + fmt::format("<pre>{}</pre>\n", html_escaped(rest));
  return body;
}

}  // namespace sigmax_bench
