// The facts about each activation, read from the structs that define them.
#include <type_traits>

#include "activations.hpp"
#include "kernel_table.hpp"

namespace sigmax {
namespace {

template <class Op>
constexpr std::span<const parameter_info> parameters_of() {
  if constexpr (std::is_array_v<decltype(Op::params)>)
    return Op::params;
  else
    return {};
}

template <class Op>
constexpr activation_info info_of(std::string_view name) {
  activation_info info{name, Op::formula, Op::source, parameters_of<Op>(), Op::bound, std::nullopt};
  if constexpr (has_fast_form<Op>) info.bound_fast = Op::bound_fast;
  return info;
}

constexpr activation_info infos[] = {
#define SIGMAX_ACTIVATION(name) info_of<name##_op>(#name),
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
};

constexpr activation names[] = {
#define SIGMAX_ACTIVATION(name) activation::name,
#include "sigmax/activations.def"
#undef SIGMAX_ACTIVATION
};

}  // namespace

const activation_info& describe(activation op) noexcept {
  static constexpr activation_info unknown{"unknown", "", "", {}, 0, std::nullopt};
  const auto index = static_cast<std::size_t>(op);
  return index < std::size(infos) ? infos[index] : unknown;
}

std::span<const activation> all_activations() noexcept { return names; }

std::optional<activation> find_activation(std::string_view name) noexcept {
  for (activation op : names)
    if (describe(op).name == name) return op;
  return std::nullopt;
}

const char* version() noexcept { return SIGMAX_VERSION; }

}  // namespace sigmax
