// `gate --self-test`: how often the gate is wrong on this machine.
#pragma once

#include "gate_measure.hpp"
#include "self_test.hpp"

#include <functional>
#include <string>

namespace sigmax_bench {

struct self_test_plan {
  int trials = 100, slow_trials = 25;  // gates against itself; gates against one that does more
  double injected = 0.05;              // of the work, done twice
  self_test_record from;               // its trials were done before: with these settings, on this machine
};

/// This program against a copy of itself, and in between against one that does part of its work twice; four cases a
/// gate. `keep` gets the record after every gate. Throws usage_error for a record to go on from that has other
/// settings.
self_test_record gate_self_test(const self_test_plan& plan, const gate_settings& settings, progress& shown,
                                const std::function<void(const self_test_record&)>& keep);

}  // namespace sigmax_bench
