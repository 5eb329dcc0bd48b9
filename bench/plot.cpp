#include "command.hpp"
#include "figures.hpp"
#include "output_file.hpp"

#include <fmt/core.h>

#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>

namespace sigmax_bench {
namespace {

struct plot_wishes {
  std::string what, filter, by = "file", reference, format = "svg", out;
  std::vector<std::string> files, ops, isas{"best"}, vs;
};

std::vector<figure> figures_of(const plot_wishes& w) {
  if (w.what == "functions") return function_figures();
  if (w.what == "error") return error_figures(w.ops, w.isas, w.vs);
  if (w.files.empty()) throw usage_error(fmt::format("plot {} needs results of 'run' (JSON)", w.what));
  const std::vector<result_file> files = read_all(w.files);
  if (w.what == "compare") {
    const matching m = match(files, parse_compared_by(w.by), false, w.reference);
    return {ratio_figure(m, w.filter)};
  }
  std::vector<figure> all;
  for (const result_file& f : files) {
    for (figure& more : w.what == "heat" ? heat_figures(f, w.filter) : sweep_figures(f, w.filter))
      all.push_back(std::move(more));
  }
  if (all.empty()) {
    throw usage_error(
        w.what == "heat"
            ? "no op here was measured over a grid of rows and columns (run --shape 16x64,16x1024,256x64,...)"
            : "no op here was measured at two sizes or shapes or more (run --size 1Ki:64Mi*2)");
  }
  return all;
}

std::vector<figure> matching_name(std::vector<figure> all, const std::string& filter) {
  if (filter.empty()) return all;
  std::erase_if(all, [&](const figure& f) { return f.name.find(filter) == std::string::npos; });
  if (all.empty()) throw usage_error(fmt::format("no figure is called '{}'", filter));
  return all;
}

// One figure may be one file; several go into a folder, each under its name.
void draw_all(const std::vector<figure>& all, const std::string& out) {
  if (all.size() == 1 && (out.empty() || extension_of(out) == "svg")) return write_text(out, draw(all.front()));
  if (out.empty()) throw usage_error(fmt::format("these are {} figures: --out names a folder for them", all.size()));
  std::error_code problem;
  std::filesystem::create_directories(out, problem);
  if (problem) throw usage_error(fmt::format("cannot make the folder '{}': {}", out, problem.message()));
  for (const figure& f : all) write_text(fmt::format("{}/{}.svg", out, f.name), draw(f));
  fmt::print("{} figures in {}\n", all.size(), out);
}

/// Options that ask for what this figure does not tell.
void require_of(const CLI::App& command, const std::string& what, const std::string& figure,
                std::initializer_list<const char*> options) {
  for (const char* name : options)
    if (what != figure && command.count(name) > 0)
      throw usage_error(fmt::format("{} is an option of 'plot {}'", name, figure));
}

void plot(const CLI::App& command, const plot_wishes& w) {
  require_of(command, w.what, "error", {"--op", "--isa", "--vs"});
  require_of(command, w.what, "compare", {"--by", "--reference"});
  std::vector<figure> all = figures_of(w);
  if (w.what == "functions" || w.what == "error") all = matching_name(std::move(all), w.filter);
  if (w.format == "csv") return write_text(w.out, figures_csv(all));
  if (w.format == "json") return write_text(w.out, figures_json(all).dump() + "\n");
  if (w.format == "gnuplot") {
    std::string script;
    for (const figure& f : all) script += gnuplot_script(f);
    return write_text(w.out, script);
  }
  draw_all(all, w.out);
}

}  // namespace

void add_plot(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("plot", "Figures of functions, errors and results as SVG, or their data");
  const auto w = std::make_shared<plot_wishes>();
  w->ops = {"gelu"};
  const auto list = [&](const char* name, std::vector<std::string>& into, const char* text) {
    command->add_option(name, into, text)->delimiter(',')->allow_extra_args(false)->take_all();
  };
  command->add_option("figure", w->what, "functions, error, sweep, heat or compare")
      ->required()
      ->check(CLI::IsMember({"functions", "error", "sweep", "heat", "compare"}));
  command->add_option("files", w->files, "of sweep, heat and compare: results of 'run' (JSON)");
  command->add_option("--filter", w->filter, "cases whose name contains this regular expression; of functions, a name");
  list("--op", w->ops, "of error: gelu,silu:gradient,all");
  list("--isa", w->isas, "of error: ISAs of 'sigmax-bench info', all, best");
  list("--vs", w->vs, "of error: libm, onednn, ..., all");
  command->add_option("--by", w->by, "of compare: as in 'compare'")->capture_default_str();
  command->add_option("--reference", w->reference, "of compare: as in 'compare'");
  command->add_option("--format", w->format, "svg, csv, json or gnuplot")
      ->check(CLI::IsMember({"svg", "csv", "json", "gnuplot"}))
      ->capture_default_str();
  command->add_option("--out", w->out, "a file, or a folder for several figures");
  command->footer(
      "SVG is drawn by gnuplot if it is found: in PATH, or where SIGMAX_GNUPLOT says.\n"
      "Examples:\n"
      "  sigmax-bench plot functions --out gallery\n"
      "  sigmax-bench plot functions --filter gelu-erf --out gelu.svg\n"
      "  sigmax-bench plot error --op gelu,tanh --isa all --vs libm --out errors\n"
      "  sigmax-bench run --op relu,gelu --size 1Ki:64Mi*2 --out sweep.json && sigmax-bench plot sweep sweep.json\n"
      "  sigmax-bench plot compare old.json new.json --out ratio.svg");
  command->callback([command, w] { plot(*command, *w); });
}

}  // namespace sigmax_bench
