#include "command.hpp"
#include "figures.hpp"
#include "matching_output.hpp"
#include "output_file.hpp"
#include "page.hpp"
#include "table.hpp"

#include <fmt/core.h>

#include <memory>

namespace sigmax_bench {
namespace {

struct report_wishes {
  std::vector<std::string> files;
  std::string by = "file", reference, out = "report.html", title = "sigmax: measurements";
  bool gallery = false;
};

table machine_facts(const result_file& file) {
  table t{{{"what"}, {"value"}}, {}};
  for (const auto& [key, value] : file.machine.items()) {
    if (value.is_null() || value.is_array() || value.is_object()) continue;
    t.rows.push_back({key, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  if (file.machine.contains("caches")) {
    for (const auto& c : file.machine["caches"]) {
      t.rows.push_back({fmt::format("L{} {}", c.value("level", 0), c.value("type", "")),
                        fmt::format("{} KiB, shared by {}", c.value("size", 0) / 1024, c.value("num_sharing", 0))});
    }
  }
  return t;
}

std::string percent(double share) { return share > 0 ? fmt::format("{:.0f}%", 100 * share) : ""; }

table result_table(const result_file& file) {
  table t{{{"case"}, {"ns/elem", true}, {"±%", true}, {"GB/s", true}, {"of best copy", true}, {"ULP seen", true}}, {}};
  for (const result_row& r : file.rows) {
    if (r.kind == "naive" || r.kind == "roof") continue;
    if (r.samples.empty()) {
      t.rows.push_back({r.name, r.problem, "", "", "", ""});
      continue;
    }
    const double speed = r.bytes_per_second();
    t.rows.push_back({r.name, fmt::format("{:.4f}", r.ns_per_element()), fmt::format("{:.1f}", 100 * r.spread()),
                      r.bytes > 0 ? fmt::format("{:.1f}", speed / 1e9) : "", percent(r.roof > 0 ? speed / r.roof : 0),
                      r.max_ulp >= 0 ? fmt::format("{:.3g}", r.max_ulp) : ""});
  }
  return t;
}

std::string drawn(const std::vector<figure>& figures) {
  if (figures.empty() || !can_draw()) return "";
  std::string html = "<div class=\"figures\">\n";
  for (const figure& f : figures)
    html += fmt::format("<figure role=\"img\" aria-label=\"{}\">{}</figure>\n", html_escaped(f.title), draw(f));
  return html + "</div>\n";
}

std::string part_of(const result_file& file) {
  std::string html = heading(2, file.label);
  html += paragraph(fmt::format("{}. Measured {}.", file.machine_name(),
                                file.context.contains("date") && file.context["date"].is_string()
                                    ? file.context["date"].get<std::string>()
                                    : "at an unknown time"));
  html +=
      fmt::format("<details><summary>The machine and the build</summary>\n{}</details>\n", machine_facts(file).html());
  html += drawn(sweep_figures(file, "")) + drawn(heat_figures(file, ""));
  return html + result_table(file).html();
}

void report(const report_wishes& w) {
  const std::vector<result_file> files = read_all(w.files);
  std::string body;
  if (!can_draw()) body += paragraph("Without figures: they are drawn by gnuplot, which was not found.");
  const compared_by by = parse_compared_by(w.by);
  const auto comparison = [&] {
    const matching m = match(files, by, false, w.reference);
    body += machine_table(files).html() + drawn({ratio_figure(m, "")}) + matching_table(m).html() +
            paragraph(matching_legend(m));
    if (const std::string rest = left_out(m, 20); !rest.empty())
      body += fmt::format("<pre class=\"soft\">{}</pre>\n", html_escaped(rest));
  };
  if (files.size() > 1) {
    body += heading(2, "Comparison");
    try {
      comparison();
    } catch (const usage_error& error) {  // the files have a page of their own each, all the same
      body += paragraph(fmt::format("None: {}.", error.what()));
    }
  }
  for (const result_file& f : files) body += part_of(f);
  body += paragraph(
      "Medians, ± half the range of the repetitions. GB/s: every input read once, every output written once. Of best "
      "copy: share of the faster of the plain and the non-temporal copy of the same tensor in the same run.");
  if (w.gallery) body += heading(2, "Functions and derivatives") + drawn(function_figures());
  write_text(w.out, html_page(w.title, body));
  fmt::print("{}: {} files\n", w.out, files.size());
}

}  // namespace

void add_report(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("report", "Results as one HTML file that needs nothing else");
  const auto w = std::make_shared<report_wishes>();
  command->add_option("files", w->files, "results of 'run' (JSON); two or more are also compared")->required();
  command->add_option("--by", w->by, "as in 'compare'")->capture_default_str();
  command->add_option("--reference", w->reference, "as in 'compare'");
  command->add_option("--title", w->title, "of the page")->capture_default_str();
  command->add_flag("--gallery", w->gallery, "also the functions and their derivatives");
  command->add_option("--out", w->out, "write there")->capture_default_str();
  command->footer(
      "Figures are drawn by gnuplot if it is found; tables are there without.\n"
      "Examples:\n"
      "  sigmax-bench report run.json --out report.html\n"
      "  sigmax-bench report old.json new.json --gallery");
  command->callback([w] { report(*w); });
}

}  // namespace sigmax_bench
