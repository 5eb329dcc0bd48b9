// Every activation: one struct each, `name_op`, which is its only definition. A struct holds its parameters as its only
// data members, in the public order; facts as static members (formula, source, params, bound); and two templates over
// the value type, operator() and derivative(). `bound` is the largest error in ULP of a normal f32 result at default
// parameters wherever FMA exists; the tests hold it. Special values are in the README's table.
#pragma once

#include "activations/exponential.hpp"
#include "activations/gaussian.hpp"
#include "activations/logistic.hpp"
#include "activations/piecewise.hpp"
