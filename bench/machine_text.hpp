// The identification block as text.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace sigmax_bench {

/// One line a fact of machine_block().
std::string machine_text(const nlohmann::ordered_json& block);

}  // namespace sigmax_bench
