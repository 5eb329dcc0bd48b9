#include "accuracy_file.hpp"

#include "arguments.hpp"
#include "exit_code.hpp"
#include "json_problem.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cmath>

namespace sigmax_bench {
namespace {

using json = nlohmann::ordered_json;

template <class T>
T hexadecimal(const json& j) {
  const std::string digits = j.get<std::string>();
  T value{};
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (problem != std::errc{} || end != digits.data() + digits.size())
    throw usage_error(fmt::format("'{}' is no hexadecimal number", digits));
  return value;
}

worst_error worst_from(const json& j) {
  const json& error = j.at("error");  // null: the infinity that JSON lacks
  return {error.is_null() ? HUGE_VAL : error.get<double>(), hexadecimal<std::uint32_t>(j.at("bits"))};
}

operation operation_of(const std::string& word) {
  const std::vector<operation> found = parse_operations({word});
  const bool one = found.size() == 1 && !found.front().by_rows() && found.front().kind != op_kind::gated;
  if (!one) throw usage_error(fmt::format("'{}' is no function of one number", word));
  return found.front();
}

accuracy_row row_from(const json& j) {
  accuracy_row r{.op = operation_of(j.at("op").get<std::string>()),
                 .type = parse_dtype(j.at("dtype").get<std::string>()),
                 .library = j.at("library"),
                 .isa = j.at("isa"),
                 .fma = j.at("fma"),
                 .stride = j.at("stride"),
                 .checked = j.at("checked"),
                 .normal = worst_from(j.at("worst")),
                 .subnormal = worst_from(j.at("subnormal"))};
  const bool narrow = j.contains("misrounded");
  (narrow ? r.misrounded : r.over_one) = j.at(narrow ? "misrounded" : "over_1_ulp");
  r.hash = hexadecimal<std::uint64_t>(j.at("hash"));
  return r;
}

}  // namespace

std::vector<accuracy_row> parse_accuracy(std::string_view text, const std::string& path) {
  try {
    std::vector<accuracy_row> rows;
    const json all = json::parse(text);
    for (const json& j : all.at("accuracy")) rows.push_back(row_from(j));
    return rows;
  } catch (const json::exception& error) {
    throw usage_error(fmt::format("'{}' is not a result of 'accuracy': {}", path, json_problem(error)));
  } catch (const usage_error& error) {
    throw usage_error(fmt::format("'{}' is not a result of 'accuracy': {}", path, error.what()));
  }
}

}  // namespace sigmax_bench
