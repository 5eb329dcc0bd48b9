#include "comparison_output.hpp"
#include "machine.hpp"
#include "table.hpp"

#include <fmt/core.h>

namespace sigmax_bench {
namespace {

std::string percent(double part, double whole) { return whole > 0 ? fmt::format("{:.0f}%", 100 * part / whole) : ""; }
std::string ratio(double value) { return value > 0 ? fmt::format("{:.2f}x", value) : ""; }
std::string plain(double value) { return value > 0 ? fmt::format("{:.6g}", value) : ""; }
std::string backend_or_isa(const bench_case& c) { return c.isa.empty() ? std::string(name_of(c.where)) : c.isa; }

// ULP of an error that may be astronomically wrong.
std::string error_text(const verdict& v) {
  return v.max_error < 1000 ? fmt::format("{:.2f}", v.max_error) : fmt::format("{:.1e}", v.max_error);
}

}  // namespace

std::string as_markdown(const comparison& result) {
  table t{{{"op"},
           {"dtype"},
           {"size", true},
           {"isa"},
           {"threads", true},
           {"ns/elem", true},
           {"±%", true},
           {"GB/s", true},
           {"of copy", true},
           {"of NT copy", true},
           {"vs naive", true},
           {"vs first", true},
           {"ULP seen", true}},
          {}};
  for (const outcome& o : result.outcomes) {
    const bench_case& c = o.what;
    std::vector<std::string> row{c.op.name() + (c.in_place ? " (in place)" : ""), std::string(name_of(c.type)),
                                 c.size.name(), backend_or_isa(c), fmt::format("{}", c.threads)};
    if (!o.checked.ok) {
      row.insert(row.end(), {"WRONG", "", "", "", "", "", "", error_text(o.checked)});
    } else if (o.time.empty()) {
      row.insert(row.end(), {"", "", "", "", "", "", "", error_text(o.checked)});
    } else {
      const double speed = result.bytes_per_second(o);
      row.insert(row.end(), {fmt::format("{:.4f}", result.ns_per_element(o)),
                             fmt::format("{:.1f}", 100 * o.time.spread()), fmt::format("{:.1f}", speed / 1e9),
                             percent(speed, result.roof(o, false)), percent(speed, result.roof(o, true)),
                             ratio(result.vs_naive(o)), ratio(result.vs_first(o)), error_text(o.checked)});
    }
    t.rows.push_back(std::move(row));
  }
  // Two lines, though long ones: the table is as wide.
  constexpr const char* legend =
      "Medians of interleaved repetitions, ±: half their range. GB/s: every input read once, every output written "
      "once; "
      "of copy, of NT copy: share of the best\n"
      "plain and non-temporal copy of this run at this size and thread count. vs: times faster than a scalar <cmath> "
      "loop, than the op's first row.\n";
  return fmt::format("{}\n\n{}\n{}{}", machine_line(), t.markdown(),
                     result.complete ? "" : "Interrupted: the table is not complete.\n", legend);
}

std::string as_csv(const comparison& result) {
  table t{{{"op"},
           {"dtype"},
           {"size"},
           {"elements"},
           {"backend"},
           {"isa"},
           {"threads"},
           {"in_place"},
           {"verified"},
           {"ns_per_element"},
           {"spread"},
           {"bytes_per_second"},
           {"roof_plain"},
           {"roof_nt"},
           {"vs_naive"},
           {"vs_first"},
           {"max_ulp_seen"}},
          {}};
  for (const outcome& o : result.outcomes) {
    const bench_case& c = o.what;
    t.rows.push_back({c.op.name(), std::string(name_of(c.type)), c.size.name(), fmt::format("{}", c.size.elements()),
                      std::string(name_of(c.where)), c.isa, fmt::format("{}", c.threads), c.in_place ? "1" : "0",
                      o.checked.ok ? "1" : "0", o.time.empty() ? "" : plain(result.ns_per_element(o)),
                      o.time.empty() ? "" : fmt::format("{:.6g}", o.time.spread()), plain(result.bytes_per_second(o)),
                      plain(result.roof(o, false)), plain(result.roof(o, true)), plain(result.vs_naive(o)),
                      plain(result.vs_first(o)), fmt::format("{:.6g}", o.checked.max_error)});
  }
  return t.csv();
}

}  // namespace sigmax_bench
