#include "command.hpp"
#include "foreign_format.hpp"
#include "output_file.hpp"

#include <memory>

namespace sigmax_bench {
namespace {

struct convert_wishes {
  std::string file, to, out;
};

}  // namespace

void add_convert(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("convert", "Results in the form of another tool");
  const auto w = std::make_shared<convert_wishes>();
  command->add_option("file", w->file, "a result of 'run' (JSON)")->required();
  command->add_option("--to", w->to, "google-benchmark, github-action-benchmark or bencher")->required();
  command->add_option("--out", w->out, "write there");
  command->footer(
      "Examples:\n"
      "  sigmax-bench convert run.json --to github-action-benchmark --out benchmark.json   # tool: "
      "customSmallerIsBetter\n"
      "  sigmax-bench convert run.json --to bencher --out metrics.json                     # bencher run --adapter "
      "json");
  command->callback([w] {
    const foreign_format to = parse_foreign_format(w->to);
    write_text(w->out, converted(read_results(w->file), to).dump(1) + "\n");
  });
}

}  // namespace sigmax_bench
