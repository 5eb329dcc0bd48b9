// Who measured: every number that leaves this program carries this block.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace sigmax_bench {

nlohmann::ordered_json machine_block();
std::string machine_line();  // the block in one line, above the tables

}  // namespace sigmax_bench
