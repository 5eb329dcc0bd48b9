// A figure as data. What draws it is elsewhere: every figure is also CSV and JSON, for those who draw their own.
#pragma once

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <vector>

namespace sigmax_bench {

struct curve {
  std::string name;                         // "": not in the legend
  std::vector<double> x = {}, y = {};       // NaN breaks the line
  std::vector<double> low = {}, high = {};  // of bars: whiskers; may be empty
  bool dashed = false;
  int colour = -1;  // of the palette; -1: the next one; grey_colour for what is not the subject
};
inline constexpr int grey_colour = 7;

struct mark {
  double at;
  std::string text;
};

struct figure {
  enum class form {
    lines,
    bars,  // one bar a category from 1 to the ratio y
    heat   // a number a cell
  };
  std::string name, title, x_title, y_title;  // name: of its file
  std::string value_title;                    // of a heat map's numbers
  form kind = form::lines;
  bool log_x = false, log_y = false;
  std::vector<curve> curves;
  std::vector<mark> x_marks;                            // vertical lines with a text
  std::vector<mark> x_ticks;                            // empty: the renderer's choice
  std::vector<std::string> categories;                  // of bars; of lines, where x counts them; a heat map's rows
  std::vector<std::string> columns;                     // of a heat map
  std::vector<std::vector<double>> cells;               // of a heat map, NaN where nothing was measured
  double x_low = 0, x_high = 0, y_low = 0, y_high = 0;  // equal: the renderer's choice
  int width = 420, height = 300;
};

std::string figures_csv(std::span<const figure> figures);  // figure,curve,x,y,low,high
nlohmann::ordered_json figures_json(std::span<const figure> figures);

/// What gnuplot draws it from.
std::string gnuplot_script(const figure& f);

/// Whether there is a gnuplot to run: SIGMAX_GNUPLOT, or the one in PATH.
bool can_draw();
/// SVG that takes the colour of its text from the page, or from the reader's system. Throws usage_error without
/// gnuplot.
std::string draw(const figure& f);

}  // namespace sigmax_bench
