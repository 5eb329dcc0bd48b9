#include "arguments.hpp"

#include "command.hpp"
#include "row_op.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <thread>

namespace sigmax_bench {
namespace {

struct unit {
  std::string_view suffix;
  int shift;
};
constexpr unit units[] = {{"Gi", 30}, {"Mi", 20}, {"Ki", 10}};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::int64_t parse_size(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return usage_error(fmt::format("size '{}' {} (use for example 4096, 64Ki, 64Mi or 1Gi)", text, why));
  };
  std::int64_t count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (problem == std::errc::result_out_of_range) throw refuse("is too large");
  if (problem != std::errc{}) throw refuse("is not a number");
  if (count < 0) throw refuse("is negative");
  if (count == 0) throw refuse("is zero");

  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  if (suffix.empty()) return count;
  for (const unit& u : units) {
    if (suffix != u.suffix) continue;
    if (count > (std::numeric_limits<std::int64_t>::max() >> u.shift)) throw refuse("is too large");
    return count << u.shift;
  }
  throw refuse(fmt::format("ends in '{}', which is no unit", suffix));
}

std::string format_size(std::int64_t count) {
  for (const unit& u : units) {
    if (count >= (std::int64_t{1} << u.shift) && count % (std::int64_t{1} << u.shift) == 0) {
      return fmt::format("{}{}", count >> u.shift, u.suffix);
    }
  }
  return fmt::format("{}", count);
}

extent parse_shape(std::string_view text) {
  std::vector<std::int64_t> extents;
  std::int64_t elements = 1;
  for (const std::string_view part : split(text, 'x')) {
    extents.push_back(parse_size(part));
    if (elements > std::numeric_limits<std::int64_t>::max() / extents.back()) {
      throw usage_error(fmt::format("shape '{}' has too many elements", text));
    }
    elements *= extents.back();
  }
  if (extents.size() < 2) {
    throw usage_error(fmt::format("shape '{}' is not ROWSxCOLS or BATCHxROWSxCOLS (for example 64x1024)", text));
  }
  const std::int64_t cols = extents.back(), rows = extents[extents.size() - 2];
  return {rows, cols, elements / cols / rows};
}

sigmax::dtype parse_dtype(std::string_view text) {
  for (const auto type : {sigmax::dtype::f32, sigmax::dtype::f16, sigmax::dtype::bf16}) {
    if (text == name_of(type)) return type;
  }
  throw usage_error(fmt::format("unknown dtype '{}' (there are f32, f16 and bf16)", text));
}

sigmax::backend parse_backend(std::string_view text) {
  for (const auto where : {sigmax::backend::automatic, sigmax::backend::cpu, sigmax::backend::cuda}) {
    if (text == name_of(where)) return where;
  }
  throw usage_error(fmt::format("unknown backend '{}' (there are automatic, cpu and cuda)", text));
}

int parse_threads(std::string_view text) {
  if (text == "all") return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (problem != std::errc{} || end != text.data() + text.size() || count < 1 || count > 4096) {
    throw usage_error(fmt::format("thread count '{}' is not 'all' or a number from 1 to 4096", text));
  }
  return count;
}

namespace {

constexpr std::string_view gradient_form = ":gradient", fast_form = ":fast";
constexpr std::string_view no_options =
    "takes no options: functions of rows do, one at a time, as softmax+scale or cross_entropy+lse ('sigmax-bench list' "
    "shows which)";

bool has_form(sigmax::activation function, std::string_view form) {
  return form != fast_form || sigmax::describe(function).bound_fast;
}

std::vector<operation> all_operations(op_kind kind, std::string_view form, sigmax::accuracy tier) {
  std::vector<operation> all;
  for (const auto function : sigmax::all_activations()) {
    if (has_form(function, form)) all.push_back({kind, function, tier});
  }
  if (form != gradient_form) all.insert(all.end(), {{op_kind::softmax, {}, tier}, {op_kind::log_softmax, {}, tier}});
  return all;
}

std::vector<operation> operations_of(std::string_view word) {
  const std::vector<std::string_view> parts = split(word, '+');
  const std::string_view head = parts.front();
  const std::span options = std::span(parts).subspan(1);
  const std::string_view form = head.ends_with(gradient_form) ? gradient_form
                                : head.ends_with(fast_form)   ? fast_form
                                                              : "";
  const std::string_view base = head.substr(0, head.size() - form.size());
  const auto tier = form == fast_form ? sigmax::accuracy::fast : sigmax::accuracy::high;
  const op_kind kind = form == gradient_form ? op_kind::gradient : op_kind::activation;
  const auto refuse = [&](std::string_view why) { return usage_error(fmt::format("'{}' {}", word, why)); };

  if (const row_op* of_rows = find_row_op(form == fast_form ? base : head)) {
    if (form == fast_form && !of_rows->two_tiers) throw refuse("has one form for both tiers of accuracy");
    operation op{of_rows->kind, {}, tier};
    add_options(op, options);
    return {op};
  }
  const auto gate = sigmax::find_gate(base);
  if (gate || base == "gates") {
    if (!options.empty()) throw refuse(no_options);
    if (form == gradient_form) throw refuse("has no timed gradient");
    if (gate && form == fast_form && !sigmax::describe(*gate).bound_fast)
      throw refuse("has one form for both tiers of accuracy");
    std::vector<operation> all;
    for (const sigmax::gate one : sigmax::all_gates()) {
      if (gate ? one == *gate : form != fast_form || sigmax::describe(one).bound_fast)
        all.push_back({op_kind::gated, {}, tier, 0, one});
    }
    return all;
  }
  const auto function = sigmax::find_activation(base);
  if (!function && base != "all")
    throw usage_error(fmt::format("unknown op '{}' ('sigmax-bench list' shows them all)", head));
  if (!options.empty()) throw refuse(no_options);
  if (!function) return all_operations(kind, form, tier);
  if (!has_form(*function, form)) throw refuse("has one form for both tiers of accuracy");
  return {{kind, *function, tier}};
}

}  // namespace

std::vector<operation> parse_operations(const std::vector<std::string>& words) {
  std::vector<operation> found;
  for (const std::string& word : words) {
    for (const operation& op : operations_of(word)) {
      if (std::find(found.begin(), found.end(), op) == found.end()) found.push_back(op);
    }
  }
  return found;
}

std::string chosen_isa() {
  // Asking the library keeps SIGMAX_ISA and the library's own rule in force. explain() does not touch the element.
  float element = 0;
  const sigmax::view one(&element, 1);
  sigmax::explanation answer;
  const sigmax::options how{.where = sigmax::backend::cpu};
  const sigmax::status s = sigmax::explain(sigmax::activation::relu, one, one, how, answer);
  if (!s) throw usage_error(s.message);
  return answer.isa;
}

std::vector<std::string> parse_isas(const std::vector<std::string>& words) {
  std::vector<std::string> found;
  const auto add = [&](std::string name) {
    if (std::find(found.begin(), found.end(), name) == found.end()) found.push_back(std::move(name));
  };
  for (const std::string& word : words) {
    if (word == "best") {
      add(chosen_isa());
      continue;
    }
    bool known = word == "all";
    for (const sigmax::isa_info& row : sigmax::cpu_isas()) {
      if (word == "all" && row.usable) add(row.name);
      if (word != row.name) continue;
      known = true;
      if (!row.usable) throw usage_error(fmt::format("this machine cannot run isa '{}'", word));
      add(word);
    }
    if (!known) {
      std::vector<std::string_view> names;
      for (const sigmax::isa_info& row : sigmax::cpu_isas()) names.emplace_back(row.name);
      throw usage_error(
          fmt::format("unknown isa '{}' (this build has {}; or 'all', 'best')", word, fmt::join(names, ", ")));
    }
  }
  return found;
}

}  // namespace sigmax_bench
