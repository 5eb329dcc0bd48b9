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
std::string error_text(double error) {
  return error < 1000 ? fmt::format("{:.2f}", error) : fmt::format("{:.1e}", error);
}

// What --max-bytes made of the shapes that were asked for.
std::string scaled_down(const comparison& result) {
  std::string notes;
  for (const outcome& o : result.outcomes) {
    const bench_case& c = o.what;
    const std::string note = fmt::format("{} stands for {}", c.size.name(), c.asked.name());
    if (c.size == c.asked || notes.find(note) != std::string::npos) continue;
    notes += (notes.empty() ? "Scaled down to fit (--max-bytes): " : ", ") + note;
  }
  return notes.empty() ? "" : notes + ".\n";
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
  for (const peer& p : result.peers) t.columns.push_back({"vs " + p.name, true});
  for (const outcome& o : result.outcomes) {
    const bench_case& c = o.what;
    std::vector<std::string> row{c.op.name() + (c.in_place ? " (in place)" : "") + (c.cold ? " (cold)" : ""),
                                 std::string(name_of(c.type)), c.size.name(), backend_or_isa(c),
                                 fmt::format("{}", c.threads)};
    if (!o.checked.ok) {
      row.insert(row.end(), {"WRONG", "", "", "", "", "", "", error_text(o.checked.max_error)});
    } else if (o.time.empty()) {
      row.insert(row.end(), {"", "", "", "", "", "", "", error_text(o.checked.max_error)});
    } else {
      const double speed = result.bytes_per_second(o);
      row.insert(row.end(), {fmt::format("{:.4f}", result.ns_per_element(o)),
                             fmt::format("{:.1f}", 100 * o.time.spread()), fmt::format("{:.1f}", speed / 1e9),
                             percent(speed, result.roof(o, false)), percent(speed, result.roof(o, true)),
                             ratio(result.vs_naive(o)), ratio(result.vs_first(o)), error_text(o.checked.max_error)});
    }
    for (std::size_t p = 0; p < result.peers.size(); ++p) {
      const double times = result.vs_peer(o, p);
      row.push_back(times > 0 ? fmt::format("{} ({} ULP)", ratio(times), error_text(result.of_peer(o, p)->max_error))
                              : "");
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
  std::string others;
  for (const peer& p : result.peers)
    others += fmt::format("{}{} {}", others.empty() ? "Peers: " : ", ", p.name, p.version);
  if (!others.empty()) others += "; vs: times faster than the peer (in brackets the peer's largest error seen).\n";
  return fmt::format("{}\n\n{}\n{}{}{}{}", machine_line(), t.markdown(),
                     result.complete ? "" : "Interrupted: the table is not complete.\n", scaled_down(result), legend,
                     others);
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
           {"cache"},
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
  for (const peer& p : result.peers) {
    for (const std::string& title : {"vs_" + p.name, p.name + "_ns_per_element", p.name + "_max_ulp_seen"})
      t.columns.push_back({title});
  }
  for (const outcome& o : result.outcomes) {
    const bench_case& c = o.what;
    t.rows.push_back({c.op.name(), std::string(name_of(c.type)), c.size.name(), fmt::format("{}", c.size.elements()),
                      std::string(name_of(c.where)), c.isa, fmt::format("{}", c.threads), c.in_place ? "1" : "0",
                      c.cold ? "cold" : "hot", o.checked.ok ? "1" : "0",
                      o.time.empty() ? "" : plain(result.ns_per_element(o)),
                      o.time.empty() ? "" : fmt::format("{:.6g}", o.time.spread()), plain(result.bytes_per_second(o)),
                      plain(result.roof(o, false)), plain(result.roof(o, true)), plain(result.vs_naive(o)),
                      plain(result.vs_first(o)), fmt::format("{:.6g}", o.checked.max_error)});
    for (std::size_t p = 0; p < result.peers.size(); ++p) {
      const yardstick* y = result.of_peer(o, p);
      t.rows.back().insert(t.rows.back().end(),
                           {plain(result.vs_peer(o, p)), y == nullptr ? "" : plain(y->ns_per_element()),
                            y == nullptr ? "" : fmt::format("{:.6g}", y->max_error)});
    }
  }
  return t.csv();
}

}  // namespace sigmax_bench
