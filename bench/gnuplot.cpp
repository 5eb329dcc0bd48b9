#include "exit_code.hpp"
#include "figure.hpp"
#include "output_file.hpp"
#include "process.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace sigmax_bench {
namespace {

// Seen well on white and on black; the last is grey_colour.
constexpr const char* palette[] = {"#2a7fd4", "#d9640c", "#1b9e77", "#c9399b",
                                   "#7d74c4", "#a6761d", "#e0312d", "#888888"};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out + '"';
}

std::string coordinate(double v) { return std::isfinite(v) ? fmt::format("{:.7g}", v) : "NaN"; }

std::string colour_of(const curve& c, std::size_t index) {
  return palette[c.colour >= 0 ? static_cast<std::size_t>(c.colour) % std::size(palette)
                               : index % (std::size(palette) - 1)];
}

std::string data_block(const std::string& name, const std::vector<std::vector<double>>& columns) {
  std::string text = fmt::format("${} << EOD\n", name);
  for (std::size_t i = 0; i < columns.front().size(); ++i) {
    for (const auto& column : columns) text += coordinate(column[i]) + " ";
    text += "\n";
  }
  return text + "EOD\n";
}

std::string axes(const figure& f) {
  std::string text = fmt::format(
      "set terminal svg noenhanced size {},{} font \"sans-serif,12\"\nset encoding utf8\nset title {}\nset xlabel {}\n"
      "set ylabel {}\nset key below center horizontal\nset offsets graph 0, graph 0, graph 0.05, graph 0.05\nset grid "
      "lc \"#888888\" lw "
      "0.5 dt 3\nset border 3\nset tics nomirror\n",
      f.width, f.height, quoted(f.title),
      quoted(fmt::format("{}{}", f.x_title, f.kind == figure::form::lines ? "\n " : "")), quoted(f.y_title));
  if (f.log_x) text += "set logscale x 2\n";
  if (f.log_y) text += "set logscale y 2\n";
  if (f.x_low < f.x_high) text += fmt::format("set xrange [{}:{}]\n", coordinate(f.x_low), coordinate(f.x_high));
  if (f.y_low < f.y_high) text += fmt::format("set yrange [{}:{}]\n", coordinate(f.y_low), coordinate(f.y_high));
  if (!f.x_ticks.empty()) {
    text += "set xtics (";
    for (const mark& m : f.x_ticks)
      text += fmt::format("{}{} {}", &m == f.x_ticks.data() ? "" : ", ", quoted(m.text), coordinate(m.at));
    text += ")\n";
  }
  if (std::any_of(f.x_marks.begin(), f.x_marks.end(), [](const mark& m) { return !m.text.empty(); }))
    text += "set title offset 0,1\nset tmargin 4.5\n";  // the marks' texts stand between
  for (const mark& m : f.x_marks) {
    text += fmt::format(
        "set arrow from first {0},graph 0 to first {0},graph 1 nohead lc \"#888888\" dt 2\n"
        "set label {1} at first {0},graph 1 center offset 0,0.7 tc \"#888888\"\n",
        coordinate(m.at), quoted(m.text));
  }
  return text;
}

std::string lines_script(const figure& f) {
  std::string data, plot;
  for (std::size_t i = 0; i < f.curves.size(); ++i) {
    const curve& c = f.curves[i];
    data += data_block(fmt::format("d{}", i), {c.x, c.y});
    // A few points were measured one by one, and the line between them was not.
    plot += fmt::format("{}$d{} using 1:2 with {} lw 2 {} lc \"{}\" {}", i == 0 ? "plot " : ", \\\n     ", i,
                        c.x.size() < 60 ? "linespoints pt 7 ps 0.4" : "lines", c.dashed ? "dt 2" : "dt 1",
                        colour_of(c, i), c.name.empty() ? "notitle" : "title " + quoted(c.name));
  }
  return data + plot + "\n";
}

// From 1 to the ratio, the first category on top, whiskers over them.
std::string bars_script(const figure& f) {
  const auto count = f.categories.size();
  std::string text = "set ytics (";
  for (std::size_t i = 0; i < count; ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(f.categories[i]), count - i);
  text += fmt::format(") scale 0\nset yrange [0.3:{}]\nset key outside top right\nset style fill solid 0.75 noborder\n",
                      static_cast<double>(count) + 0.7);
  std::string data, plot;
  const double band = 0.8 / static_cast<double>(f.curves.size());
  for (std::size_t s = 0; s < f.curves.size(); ++s) {
    const curve& c = f.curves[s];
    std::vector<double> ratio, from, to, middle, bottom, top, low, high;
    for (std::size_t i = 0; i < count; ++i) {
      const double upper = static_cast<double>(count - i) + 0.4 - band * static_cast<double>(s);
      ratio.push_back(c.y[i]);
      from.push_back(std::min(1.0, c.y[i]));
      to.push_back(std::max(1.0, c.y[i]));
      middle.push_back(upper - band / 2);
      bottom.push_back(upper - band);
      top.push_back(upper);
      low.push_back(c.low.empty() ? c.y[i] : c.low[i]);
      high.push_back(c.high.empty() ? c.y[i] : c.high[i]);
    }
    data += data_block(fmt::format("d{}", s), {ratio, middle, from, to, bottom, top, low, high});
    plot += fmt::format(
        "{0}$d{1} using 1:2:3:4:5:6 with boxxyerror lc \"{2}\" title {3}, \\\n"
        "     $d{1} using 1:2:7:8 with xerrorbars pt -1 lw 1 lc \"#888888\" notitle",
        s == 0 ? "plot " : ", \\\n     ", s, colour_of(c, s), quoted(c.name));
  }
  return data + text + plot + "\n";
}

std::string heat_script(const figure& f) {
  std::string text = "unset grid\nset key off\nset tics scale 0\nset border 0\nset colorbox\n";
  text += fmt::format("set cblabel {}\n", quoted(f.value_title));
  text += "set palette defined (0 \"#7a3b2e\", 0.5 \"#2a5f9e\", 1 \"#14724f\")\nset xtics (";
  for (std::size_t i = 0; i < f.columns.size(); ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(f.columns[i]), i);
  text += ")\nset ytics (";
  for (std::size_t i = 0; i < f.categories.size(); ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", quoted(f.categories[i]), i);
  text += fmt::format(")\nset xrange [-0.5:{}]\nset yrange [-0.5:{}]\n", static_cast<double>(f.columns.size()) - 0.5,
                      static_cast<double>(f.categories.size()) - 0.5);
  std::vector<double> x, y, value;
  for (std::size_t r = 0; r < f.cells.size(); ++r) {
    for (std::size_t c = 0; c < f.cells[r].size(); ++c) {
      if (!std::isfinite(f.cells[r][c])) continue;
      x.push_back(static_cast<double>(c));
      y.push_back(static_cast<double>(r));
      value.push_back(f.cells[r][c]);
    }
  }
  return text + data_block("d", {x, y, value}) +
         "set style fill solid 1 noborder\n"
         "plot $d using 1:2:($1-0.49):($1+0.49):($2-0.48):($2+0.48):3 with boxxyerror lc palette, \\\n"
         "     $d using 1:2:(sprintf(\"%.3g\", $3)) with labels tc \"#ffffff\"\n";
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// gnuplot writes black; the page, or the reader's system, shall choose. Its empty groups are half of a small file.
std::string cleaned(std::string svg) {
  const std::size_t begin = svg.find("<svg");
  if (begin == std::string::npos) throw std::runtime_error("gnuplot drew no SVG");
  svg.erase(0, begin);
  for (const char* quote : {"\"", "'"}) {
    for (const char* attribute : {"fill", "stroke"}) {
      replace_all(svg, fmt::format("{}={}black{}", attribute, quote, quote),
                  fmt::format("{}={}currentColor{}", attribute, quote, quote));
    }
  }
  replace_all(svg, " color=\"black\"", "");
  const std::size_t defs = svg.find("<defs>"), defs_end = svg.find("</defs>");
  const bool has_points = svg.find("<use ") != std::string::npos;
  if (!has_points && defs != std::string::npos && defs_end != std::string::npos) svg.erase(defs, defs_end + 7 - defs);
  for (std::size_t at = 0; (at = svg.find("<g ", at)) != std::string::npos;) {
    const std::size_t close = svg.find('>', at);
    if (svg.compare(close + 1, 5, "\n</g>") == 0) {
      svg.erase(at, close + 6 - at);
    } else {
      at = close;
    }
  }
  replace_all(svg, "stroke-linecap=\"butt\" stroke-linejoin=\"miter\"", "");
  replace_all(svg, "<tspan font-family=\"sans-serif\" >", "<tspan>");
  while (svg.find("\n\n") != std::string::npos) replace_all(svg, "\n\n", "\n");
  const std::size_t inside = svg.find('>') + 1;
  svg.insert(inside, "<style>svg{color:#1c2024}@media(prefers-color-scheme:dark){svg{color:#e6e9ec}}</style>");
  return svg;
}

std::string gnuplot() {
  const char* named = std::getenv("SIGMAX_GNUPLOT");
  return named != nullptr && *named != '\0' ? named : "gnuplot";
}

}  // namespace

std::string gnuplot_script(const figure& f) {
  const std::string head = axes(f);
  switch (f.kind) {
    case figure::form::lines: return head + lines_script(f);
    case figure::form::bars: return head + bars_script(f);
    case figure::form::heat: return head + heat_script(f);
  }
  return "";
}

bool can_draw() {
  static const bool can = run_process({gnuplot(), "--version"}).status == 0;
  return can;
}

std::string draw(const figure& f) {
  if (!can_draw()) {
    throw usage_error(
        "figures are drawn by gnuplot, which is not here (Debian: gnuplot-nox; SIGMAX_GNUPLOT names another place); "
        "--format csv or json gives the data");
  }
  const scratch_folder folder;
  write_text(folder.file("script"), gnuplot_script(f));
  const finished done = run_process({gnuplot(), folder.file("script")});
  if (done.status != 0) throw std::runtime_error("gnuplot failed: " + done.err);
  return cleaned(done.out);
}

}  // namespace sigmax_bench
