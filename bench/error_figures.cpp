// Errors over x, from the oracle of tests/reference.hpp.
#include "arguments.hpp"
#include "command.hpp"
#include "figures.hpp"
#include "operands.hpp"
#include "peer.hpp"
#include "sweep.hpp"

#include <reference.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sigmax_bench {
namespace {

constexpr int first_exponent = -24, last_exponent = 8, bins_an_octave = 8, inputs_a_bin = 2048;
constexpr int bins_a_sign = (last_exponent - first_exponent) * bins_an_octave;

// Both signs on one axis: the distance from the middle counts octaves above 2^-24.
double place_of(int bin, bool negative) {
  const double octaves = (bin + 0.5) / bins_an_octave;
  return negative ? -octaves : octaves;
}

std::vector<mark> octave_ticks() {
  std::vector<mark> ticks;
  for (const int e : {-16, -8, 0, 6}) {
    const double at = e - first_exponent;
    const std::string size = e == 0 ? "1" : e > 0 ? fmt::format("{}", 1 << e) : fmt::format("2^{}", e);
    ticks.push_back({-at, "-" + size});
    ticks.push_back({at, size});
  }
  ticks.push_back({0, "±2^-24"});
  return ticks;
}

struct envelope {
  curve above, below;
};

envelope errors_of(const contender& who, const operation& op) {
  const auto call = who.make(op);
  const std::string name = who.library == "sigmax" ? "sigmax " + who.isa : who.library;
  envelope e{{name, {}, {}}, {"", {}, {}}};
  std::vector<float> x(contender::length), y(contender::length);
  for (int place = -bins_a_sign; place < bins_a_sign; ++place) {
    const bool negative = place < 0;
    const int bin = negative ? -place - 1 : place;
    const double low = std::exp2(first_exponent + static_cast<double>(bin) / bins_an_octave);
    const double width = low * (std::exp2(1.0 / bins_an_octave) - 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto random = static_cast<double>(random_bits(static_cast<std::uint64_t>(place + 4096) << 32 | i) >> 11);
      const auto size = static_cast<float>(low + width * random * 0x1p-53);
      x[i] = negative ? -size : size;
    }
    call(x.data(), y.data());
    double above = 0, below = 0;
    for (std::size_t i = 0; i < inputs_a_bin; ++i) {
      const double exact = exact_value(op, x[i]), got = static_cast<double>(y[i]);
      if (got == exact || std::fabs(exact) < 0x1p-126 || cancelled(op, x[i], y[i], exact)) continue;
      const double error = sigmax_reference::ulp_error<double>(y[i], exact);
      (got > exact ? above : below) = std::max(got > exact ? above : below, error);
    }
    e.above.x.push_back(place_of(bin, negative));
    e.above.y.push_back(above);
    e.below.x.push_back(place_of(bin, negative));
    e.below.y.push_back(-below);
  }
  return e;
}

}  // namespace

std::vector<figure> error_figures(const std::vector<std::string>& ops, const std::vector<std::string>& isas,
                                  const std::vector<std::string>& peers) {
  std::vector<contender> contenders;
  for (const std::string& isa : parse_isas(isas)) contenders.push_back(isa_row(isa));
  for (const peer& p : parse_peers(peers))
    contenders.push_back({p.name, "", true, [p](const operation& op) { return p.make(op, {0, contender::length}); }});
  std::vector<figure> all;
  for (const operation& op : parse_operations(ops)) {
    if (op.by_rows()) continue;
    figure f;
    f.name = "error-" + op.name();
    std::replace(f.name.begin(), f.name.end(), ':', '-');
    f.title = op.name() + ", f32: largest error above and below the exact result";
    f.x_title = "x";
    f.y_title = "ULP";
    f.x_low = -bins_a_sign / double{bins_an_octave}, f.x_high = -f.x_low;
    f.x_ticks = octave_ticks();
    f.width = 760, f.height = 360;
    double largest = 1;
    int colour = 0;
    for (const contender& c : contenders) {
      if (!c.make(op)) continue;
      envelope e = errors_of(c, op);
      e.above.colour = e.below.colour = c.library == "libm" ? grey_colour : colour++ % grey_colour;
      if (c.library == "sigmax") {
        for (std::size_t i = 0; i < e.above.y.size(); ++i) largest = std::max({largest, e.above.y[i], -e.below.y[i]});
      }
      f.curves.push_back(std::move(e.above));
      f.curves.push_back(std::move(e.below));
    }
    f.y_high = 2 * largest, f.y_low = -f.y_high;  // a peer may be off by millions
    all.push_back(std::move(f));
  }
  if (all.empty()) throw usage_error("no op here has an error against one x: softmax is a function of rows");
  return all;
}

}  // namespace sigmax_bench
