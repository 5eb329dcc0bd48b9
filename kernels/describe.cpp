// The facts about each activation and gate, read from the structs that define them.
#include <type_traits>

#include "gates.hpp"
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

constexpr gate_info gate_infos[] = {
#define SIGMAX_GATE(name) info_of<name##_gate>(#name),
#include "sigmax/gates.def"
#undef SIGMAX_GATE
};

constexpr gate gate_names[] = {
#define SIGMAX_GATE(name) gate::name,
#include "sigmax/gates.def"
#undef SIGMAX_GATE
};

constexpr activation_info unknown{"unknown", "", "", {}, 0, std::nullopt};

template <std::size_t n, class Function>
const activation_info& info_at(const activation_info (&all)[n], Function op) {
  const auto index = static_cast<std::size_t>(op);
  return index < n ? all[index] : unknown;
}

template <std::size_t n, class Function>
std::optional<Function> find(const Function (&all)[n], std::string_view name) {
  for (Function op : all)
    if (describe(op).name == name) return op;
  return std::nullopt;
}

}  // namespace

const activation_info& describe(activation op) noexcept { return info_at(infos, op); }
std::span<const activation> all_activations() noexcept { return names; }
std::optional<activation> find_activation(std::string_view name) noexcept { return find(names, name); }

const gate_info& describe(gate op) noexcept { return info_at(gate_infos, op); }
std::span<const gate> all_gates() noexcept { return gate_names; }
std::optional<gate> find_gate(std::string_view name) noexcept { return find(gate_names, name); }

const char* version() noexcept { return SIGMAX_VERSION; }

}  // namespace sigmax
