#include "figure.hpp"

#include "table.hpp"

#include <fmt/core.h>

#include <cmath>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

std::string number(double v) { return std::isfinite(v) ? fmt::format("{:.9g}", v) : ""; }

json numbers(const std::vector<double>& values) {
  json list = json::array();
  for (const double v : values) list.push_back(std::isfinite(v) ? json(v) : json(nullptr));
  return list;
}

}  // namespace

std::string figures_csv(std::span<const figure> figures) {
  table t{{{"figure"}, {"curve"}, {"x"}, {"y"}, {"low"}, {"high"}}, {}};
  for (const figure& f : figures) {
    for (const curve& c : f.curves) {
      for (std::size_t i = 0; i < c.y.size(); ++i) {
        t.rows.push_back({f.name, c.name, f.categories.empty() ? number(c.x[i]) : f.categories[i], number(c.y[i]),
                          c.low.empty() ? "" : number(c.low[i]), c.high.empty() ? "" : number(c.high[i])});
      }
    }
    for (std::size_t r = 0; r < f.cells.size(); ++r) {
      for (std::size_t c = 0; c < f.cells[r].size(); ++c)
        t.rows.push_back({f.name, f.categories[r], f.columns[c], number(f.cells[r][c]), "", ""});
    }
  }
  return t.csv();
}

json figures_json(std::span<const figure> figures) {
  json all = json::array();
  for (const figure& f : figures) {
    json j{{"name", f.name}, {"title", f.title}, {"x", f.x_title}, {"y", f.y_title}};
    if (!f.value_title.empty()) j["value"] = f.value_title;
    for (const curve& c : f.curves) {
      json one{{"name", c.name}, {"x", numbers(c.x)}, {"y", numbers(c.y)}};
      if (!c.low.empty()) one["low"] = numbers(c.low), one["high"] = numbers(c.high);
      j["curves"].push_back(std::move(one));
    }
    for (const mark& m : f.x_marks) j["marks"].push_back({{"at", m.at}, {"text", m.text}});
    if (!f.categories.empty()) j["categories"] = f.categories;
    if (!f.columns.empty()) j["columns"] = f.columns;
    for (const auto& row : f.cells) j["cells"].push_back(numbers(row));
    all.push_back(std::move(j));
  }
  return {{"sigmax_schema_version", 1}, {"figures", std::move(all)}};
}

}  // namespace sigmax_bench
