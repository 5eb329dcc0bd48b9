// Throughput over size and over shape, drawn from stored results.
#include "figures.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

namespace sigmax_bench {
namespace {

constexpr std::size_t most_curves = 7;  // as many as there are colours

std::string bytes_text(double bytes) {
  for (const auto& [size, unit] : {std::pair{0x1p30, "GiB"}, {0x1p20, "MiB"}, {0x1p10, "KiB"}}) {
    if (bytes >= size) return fmt::format("{:g} {}", bytes / size, unit);
  }
  return fmt::format("{:g} B", bytes);
}

// A curve, and the op whose curves it stands beside: that of "gelu:fast" is gelu.
struct line_of_op {
  std::string op;
  curve points;
};

std::string curve_name(const result_row& r) {
  std::string name = r.kind == "peer" ? r.library + ": " + r.op : r.op + (r.isa.empty() ? "" : " " + r.isa);
  return r.form.empty() ? name : name + " " + r.form;
}

// "64x1024": 1024; 0 of a size without rows.
std::int64_t columns_of(const result_row& r) {
  const std::size_t by = r.size.rfind('x');
  return by == std::string::npos ? 0 : std::strtoll(r.size.c_str() + by + 1, nullptr, 10);
}

line_of_op line_of(const result_row& r, std::string name, const std::map<double, double>& points) {
  line_of_op line{r.op.substr(0, r.op.find(':')), {std::move(name)}};
  for (const auto& [x, y] : points) line.points.x.push_back(x), line.points.y.push_back(y);
  return line;
}

// What one op has stands in one figure, as long as there are colours.
std::vector<std::vector<curve>> shared_out(std::vector<line_of_op> lines) {
  std::vector<std::vector<curve>> figures;
  while (!lines.empty()) {
    const std::string op = lines.front().op;
    const auto rest =
        std::stable_partition(lines.begin(), lines.end(), [&](const line_of_op& l) { return l.op == op; });
    const auto count = static_cast<std::size_t>(rest - lines.begin());
    if (figures.empty() || figures.back().size() + count > most_curves) figures.emplace_back();
    for (auto l = lines.begin(); l != rest; ++l) {
      if (figures.back().size() == most_curves) figures.emplace_back();
      figures.back().push_back(std::move(l->points));
    }
    lines.erase(lines.begin(), rest);
  }
  return figures;
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

void add_roof(figure& f, const char* name, const std::map<double, double>& points, bool dashed) {
  if (points.size() < 2) return;
  curve c{name};
  for (const auto& [x, y] : points) c.x.push_back(x), c.y.push_back(y);
  c.colour = grey_colour;
  c.dashed = dashed;
  f.curves.push_back(std::move(c));
}

void add_roofs(figure& f, const std::vector<const result_row*>& rows, const std::string& dtype,
               const std::string& threads) {
  std::map<double, double> plain, nontemporal;
  for (const result_row* r : rows) {
    if (r->kind != "roof" || r->dtype != dtype || r->threads != threads || !r->form.empty()) continue;
    double& best = (r->op.find("nontemporal") != std::string::npos ? nontemporal : plain)[r->bytes];
    best = std::max(best, r->bytes_per_second() / 1e9);
  }
  add_roof(f, "copy", plain, false);
  add_roof(f, "non-temporal copy", nontemporal, true);
}

// A copy in L1 may be fifty times as fast as a costly function: then only a logarithm shows both.
void scale_speeds(figure& f) {
  double low = HUGE_VAL, high = 0;
  for (const curve& c : f.curves) {
    for (const double y : c.y) low = std::min(low, y), high = std::max(high, y);
  }
  f.log_y = high > 4 * low;
  f.y_title = f.log_y ? "GB/s, logarithmic" : "GB/s";
  f.y_low = f.log_y ? std::exp2(std::floor(std::log2(low))) : 0;
  f.y_high = (f.log_y ? 1.3 : 1.1) * high;
}

using dtype_threads = std::pair<std::string, std::string>;

figure speed_figure(const result_file& file, const std::string& what, const dtype_threads& of, std::size_t number) {
  const auto& [dtype, threads] = of;
  figure f;
  f.name = file_name(
      fmt::format("{}-{}-{}-{}t{}", what, file.label, dtype, threads, number == 1 ? "" : fmt::format("-{}", number)));
  f.title =
      fmt::format("Throughput: {}, {} thread{}, {}", dtype, threads, threads == "1" ? "" : "s", file.machine_name());
  f.width = 760, f.height = 420;
  return f;
}

using named_points = std::pair<const result_row*, std::map<double, double>>;

// By name, in the order in which they were met.
named_points& found_or_added(std::vector<std::pair<std::string, named_points>>& all, const std::string& name,
                             const result_row* r) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.first == name; });
  return found != all.end() ? found->second : all.emplace_back(name, named_points{r, {}}).second;
}

std::vector<figure> size_figures(const result_file& file, const std::vector<const result_row*>& timed,
                                 const std::vector<const result_row*>& measured) {
  std::map<dtype_threads, std::vector<std::pair<std::string, named_points>>> groups;
  for (const result_row* r : measured) {
    const std::int64_t columns = columns_of(*r);
    const std::string name = curve_name(*r) + (columns == 0 ? "" : fmt::format(" x{}", columns));
    found_or_added(groups[{r->dtype, r->threads}], name, r).second[r->bytes] = r->bytes_per_second() / 1e9;
  }
  std::vector<figure> all;
  for (const auto& [key, curves] : groups) {
    std::vector<line_of_op> lines;
    for (const auto& [name, points] : curves) {
      if (points.second.size() > 1) lines.push_back(line_of(*points.first, name, points.second));
    }
    std::size_t number = 0;
    for (std::vector<curve>& some : shared_out(std::move(lines))) {
      figure f = speed_figure(file, "sweep", key, ++number);
      f.x_title = "bytes read and written";
      f.log_x = true;
      f.x_low = HUGE_VAL;
      for (const curve& c : some) f.x_low = std::min(f.x_low, c.x.front()), f.x_high = std::max(f.x_high, c.x.back());
      f.curves = std::move(some);
      add_roofs(f, timed, key.first, key.second);
      scale_speeds(f);
      add_caches(f, file);
      for (double b = 0x1p10; b <= f.x_high; b *= f.x_high / f.x_low > 32 ? 4 : 2) {
        if (b >= f.x_low) f.x_ticks.push_back({b, bytes_text(b)});
      }
      all.push_back(std::move(f));
    }
  }
  return all;
}

// Functions of rows that were measured in shapes of different columns, not at several sizes of the same columns: a
// place for each shape. Curves of the same shapes stand together.
std::vector<figure> shape_figures(const result_file& file, const std::vector<const result_row*>& measured) {
  struct shapes {
    const result_row* first;
    std::map<std::int64_t, const result_row*> by_columns;
    bool repeated = false;
  };
  std::vector<std::pair<std::string, shapes>> curves;
  for (const result_row* r : measured) {
    const std::int64_t columns = columns_of(*r);
    if (columns == 0) continue;
    const std::string name = fmt::format("{}/{}/{}", r->dtype, r->threads, curve_name(*r));
    auto found = std::find_if(curves.begin(), curves.end(), [&](const auto& one) { return one.first == name; });
    if (found == curves.end()) found = curves.insert(curves.end(), {name, {r, {}}});
    found->second.repeated |= !found->second.by_columns.emplace(columns, r).second;
  }
  struct group {
    std::vector<line_of_op> lines;
    std::vector<std::string> sizes;
    std::map<double, double> roof;
  };
  std::map<dtype_threads, std::map<std::vector<std::string>, group>> groups;
  for (const auto& [name, found] : curves) {
    if (found.repeated || found.by_columns.size() < 2) continue;
    std::vector<std::string> sizes;
    std::map<double, double> points, roof;
    for (const auto& [columns, r] : found.by_columns) {
      const auto place = static_cast<double>(sizes.size());
      sizes.push_back(r->size);
      points[place] = r->bytes_per_second() / 1e9;
      if (r->roof > 0) roof[place] = r->roof / 1e9;
    }
    group& into = groups[{found.first->dtype, found.first->threads}][sizes];
    into.lines.push_back(line_of(*found.first, curve_name(*found.first), points));
    if (into.roof.empty()) into.roof = roof;
  }
  std::vector<figure> all;
  for (auto& [key, by_sizes] : groups) {
    std::size_t number = 0;
    for (auto& [sizes, of] : by_sizes) {
      for (std::vector<curve>& some : shared_out(std::move(of.lines))) {
        figure f = speed_figure(file, "shapes", key, ++number);
        f.x_title = "rows x columns";
        f.categories = sizes;
        for (std::size_t i = 0; i < sizes.size(); ++i) f.x_ticks.push_back({static_cast<double>(i), sizes[i]});
        f.x_low = -0.3, f.x_high = static_cast<double>(sizes.size()) - 0.7;
        f.curves = std::move(some);
        add_roof(f, "best copy", of.roof, false);
        scale_speeds(f);
        all.push_back(std::move(f));
      }
    }
  }
  return all;
}

}  // namespace

std::vector<figure> sweep_figures(const result_file& file, const std::string& filter) {
  const std::vector<const result_row*> timed = timed_rows(file, filter);
  std::vector<const result_row*> measured;
  for (const result_row* r : timed) {
    if (r->bytes > 0 && (r->kind == "kernel" || r->kind == "peer")) measured.push_back(r);
  }
  std::vector<figure> all = size_figures(file, timed, measured);
  for (figure& f : shape_figures(file, measured)) all.push_back(std::move(f));
  return all;
}

}  // namespace sigmax_bench
