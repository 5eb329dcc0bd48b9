#include "arguments.hpp"
#include "command.hpp"
#include "row_op.hpp"
#include "table.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

template <class Visit>
void each_function(Visit visit) {
  for (const auto function : sigmax::all_activations()) visit(sigmax::describe(function), true);
  for (const auto gate : sigmax::all_gates()) visit(sigmax::describe(gate), false);
}

constexpr const char* dtypes[] = {"f32", "f16", "bf16"};

std::vector<std::string_view> ops_with(const row_option_info& option) {
  std::vector<std::string_view> names;
  for (const row_op& op : row_ops()) {
    if (option.goes_with(op.kind)) names.push_back(op.name);
  }
  return names;
}

void print_options() {
  table t{{{"option"}, {"meaning"}, {"of"}}, {}};
  for (const row_option_info& o : row_options())
    t.rows.push_back({std::string(o.word), std::string(o.meaning), fmt::format("{}", fmt::join(ops_with(o), " "))});
  fmt::print("{}\nOptions follow the op: softmax+scale+causal. Any of them together, but one of mask and boolean.\n",
             t.markdown());
}

void print_markdown() {
  table t{{{"op"}, {"formula"}, {"parameters"}, {"dtypes"}, {"f32 bound, ULP", true}, {"source"}}, {}};
  const std::string types = fmt::format("{}", fmt::join(dtypes, " "));
  each_function([&](const sigmax::activation_info& about, bool /*gradient*/) {
    std::string defaults;
    for (const sigmax::parameter_info& p : about.parameters) {
      defaults += fmt::format("{}{}={:.9g}", defaults.empty() ? "" : ", ", p.name, p.default_value);
    }
    t.rows.push_back({std::string(about.name), std::string(about.formula), defaults, types,
                      fmt::format("{:g}", about.bound_f32), std::string(about.source)});
  });
  for (const row_op& op : row_ops())
    t.rows.push_back({std::string(op.name), std::string(op.formula), "", types, "", ""});
  fmt::print("{}\nEvery activation also has its gradient: OP:gradient in the other commands.\n\n", t.markdown());
  print_options();
}

void print_json() {
  json ops = json::array();
  each_function([&](const sigmax::activation_info& about, bool gradient) {
    json parameters = json::array();
    for (const sigmax::parameter_info& p : about.parameters) {
      // Numbers cannot be infinite in JSON; a float that is becomes the string "inf" or "-inf".
      const json value =
          std::isinf(p.default_value) ? json(p.default_value > 0 ? "inf" : "-inf") : json(p.default_value);
      parameters.push_back({{"name", p.name}, {"default", value}});
    }
    ops.push_back({{"name", about.name},
                   {"formula", about.formula},
                   {"source", about.source},
                   {"parameters", parameters},
                   {"dtypes", dtypes},
                   {"bound_f32", about.bound_f32},
                   {"gradient", gradient}});
  });
  for (const row_op& op : row_ops()) {
    ops.push_back({{"name", op.name},
                   {"formula", op.formula},
                   {"source", nullptr},
                   {"parameters", json::array()},
                   {"dtypes", dtypes},
                   {"bound_f32", nullptr},
                   {"gradient", find_row_op(fmt::format("{}:gradient", op.name)) != nullptr}});
  }
  json options = json::array();
  for (const row_option_info& o : row_options())
    options.push_back({{"name", o.word}, {"meaning", o.meaning}, {"ops", ops_with(o)}});
  fmt::print("{}\n", json{{"ops", ops}, {"options", options}}.dump(2));
}

}  // namespace

void add_list(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("list", "Every op with its formula, parameters and dtypes");
  const auto output = std::make_shared<std::string>("md");
  command->add_option("--output", *output, "md or json")->check(CLI::IsMember({"md", "json"}))->capture_default_str();
  command->footer("Examples:\n  sigmax-bench list\n  sigmax-bench list --output json");
  command->callback([output] { *output == "json" ? print_json() : print_markdown(); });
}

}  // namespace sigmax_bench
