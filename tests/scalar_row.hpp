// See scalar_row.cpp.
#pragma once

#include <sigmax/sigmax.hpp>

#include <cstdint>

namespace sigmax_test {

enum class scalar_form { value, fast, derivative };

/// y[i] = op(x[i]) at default parameters, by the definition over `float`.
void scalar_row(sigmax::activation op, scalar_form form, const float* x, float* y, std::int64_t n);

/// y[i] = op(a[i], b[i]) likewise, or the derivatives by a and, in `db`, by b.
void scalar_gate(sigmax::gate op, scalar_form form, const float* a, const float* b, float* y, float* db,
                 std::int64_t n);

}  // namespace sigmax_test
