// A fixed piece of work that is not the library's: how fast the machine is just now.
#pragma once

namespace sigmax_bench {

/// Median ns of a short chain of multiply-adds and copies within L1; about 2 ms in all.
double calibration_time();

/// Runs it until three in a row agree within 1 %, or for two seconds: clocks rise when work begins.
void warm_up();

}  // namespace sigmax_bench
