#include "command.hpp"
#include "matching_output.hpp"
#include "output_file.hpp"
#include "page.hpp"

#include <fmt/core.h>

#include <memory>

namespace sigmax_bench {
namespace {

struct compare_wishes {
  std::vector<std::string> files;
  std::string by = "file", reference, output, out;
  bool roofs = false;
};

void compare(const compare_wishes& w) {
  const compared_by by = parse_compared_by(w.by);
  const std::string form = !w.output.empty() ? w.output : w.out.empty() ? "md" : extension_of(w.out);
  const std::vector<result_file> files = read_all(w.files);
  const matching m = match(files, by, w.roofs, w.reference);
  if (form == "md") return write_text(w.out, matching_markdown(files, m));
  if (form == "csv") return write_text(w.out, matching_csv(m));
  if (form == "json") return write_text(w.out, matching_json(files, m).dump(2) + "\n");
  if (form == "html") return write_text(w.out, html_page("sigmax: comparison", matching_html(files, m)));
  throw usage_error(fmt::format("unknown output '{}' (there are md, csv, json and html)", form));
}

}  // namespace

void add_compare(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("compare", "Results of machines, builds, ISAs or libraries side by side");
  const auto w = std::make_shared<compare_wishes>();
  command->add_option("files", w->files, "results of 'run' (JSON)")->required();
  command->add_option("--by", w->by, "what the columns are: file, machine, backend, isa, library, dtype or threads")
      ->capture_default_str();
  command->add_option("--reference", w->reference, "the column that the others are compared with; the first met");
  command->add_flag("--roofs", w->roofs, "by file or machine: the copies too");
  command->add_option("--output", w->output, "md, csv, json or html; from the name of --out if not given");
  command->add_option("--out", w->out, "write there");
  command->footer(
      "By machine, backend or library, each side shows its fastest ISA.\n"
      "Examples:\n"
      "  sigmax-bench compare old.json new.json\n"
      "  sigmax-bench compare epyc.json xeon.json graviton.json --by machine --out machines.html\n"
      "  sigmax-bench compare run.json --by library --reference onednn");
  command->callback([w] { compare(*w); });
}

}  // namespace sigmax_bench
