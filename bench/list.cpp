#include "arguments.hpp"
#include "command.hpp"
#include "table.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

constexpr const char* dtypes[] = {"f32", "f16", "bf16"};

// The softmaxes are functions of the API, not activations: describe() does not know them.
struct row_op {
  const char* name;
  const char* formula;
};
constexpr row_op row_ops[] = {{"softmax", "exp(x - max) / sum(exp(x - max)) along an axis"},
                              {"log_softmax", "(x - max) - log(sum(exp(x - max))) along an axis"}};

void print_markdown() {
  table t{{{"op"}, {"formula"}, {"parameters"}, {"dtypes"}, {"f32 bound, ULP", true}, {"source"}}, {}};
  const std::string types = fmt::format("{}", fmt::join(dtypes, " "));
  for (const auto function : sigmax::all_activations()) {
    const sigmax::activation_info& about = sigmax::describe(function);
    std::string defaults;
    for (const sigmax::parameter_info& p : about.parameters) {
      defaults += fmt::format("{}{}={:.9g}", defaults.empty() ? "" : ", ", p.name, p.default_value);
    }
    t.rows.push_back({std::string(about.name), std::string(about.formula), defaults, types,
                      fmt::format("{:g}", about.bound_f32), std::string(about.source)});
  }
  for (const row_op& op : row_ops) t.rows.push_back({op.name, op.formula, "", types, "", ""});
  fmt::print("{}\nEvery activation also has its gradient: OP:gradient in the other commands.\n", t.markdown());
}

void print_json() {
  json ops = json::array();
  for (const auto function : sigmax::all_activations()) {
    const sigmax::activation_info& about = sigmax::describe(function);
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
                   {"gradient", true}});
  }
  for (const row_op& op : row_ops) {
    ops.push_back({{"name", op.name},
                   {"formula", op.formula},
                   {"source", nullptr},
                   {"parameters", json::array()},
                   {"dtypes", dtypes},
                   {"bound_f32", nullptr},
                   {"gradient", false}});
  }
  fmt::print("{}\n", json{{"ops", ops}}.dump(2));
}

}  // namespace

void add_list(CLI::App& app, int& /*result*/) {
  CLI::App* command = app.add_subcommand("list", "Every op with its formula, parameters and dtypes");
  const auto output = std::make_shared<std::string>("md");
  command->add_option("--output", *output, "md or json")->check(CLI::IsMember({"md", "json"}))->capture_default_str();
  command->callback([output] { *output == "json" ? print_json() : print_markdown(); });
}

}  // namespace sigmax_bench
