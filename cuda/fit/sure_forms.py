"""sure_forms.py: the coefficients of cuda/sure_forms.hpp.

Not the nearest polynomial, but the one that keeps every 16-bit result furthest from where it would be rounded the other
way: a linear program with two rows for each input and each direction of the estimates' errors. What it prints is that
distance, in units of 2^-24 of the result, without roundings of f32; a negative one is what a close form's ends must
cover. short_forms_test has the proof. Needs numpy, scipy and mpmath, and a long double of 64 bits (x86).
"""

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

mp.mp.dps = 40
real = np.longdouble
unit, exp2_error, reciprocal_error = 2.0**-24, 4.2 * 2.0**-24, 2.1 * 2.0**-24  # what PTX allows, and 5 %
log2_e = float(np.float32(1.4426950408889634))
words = np.arange(65536, dtype=np.uint32)
inputs = {"bf16": (words << 16).view(np.float32), "f16": words.astype(np.uint16).view(np.float16).astype(np.float32)}
# Where the CPU's f32 is the middle that the exact value is next to: what is added to it, in units.
others = {("f16", "softcap"): {191.625: -1}, ("f16", "tanhshrink"): {0.07110595703125: -1}}


def numbers(kind, inside):
    x = inputs[kind][np.isfinite(inputs[kind]) & (abs(inputs[kind]) > 2.0**-30)].astype(real)
    return x[inside(x)]


def ends(kind, y):
    """Between which numbers all are rounded to the 16-bit number that y is."""
    bits, least, most = (8, -133, np.inf) if kind == "bf16" else (11, -24, 65504)
    mantissa, exponent = np.frexp(abs(y))
    ulp = np.maximum(exponent - bits, least).astype(int)
    whole = np.rint(np.ldexp(mantissa, exponent - ulp))
    below = np.where((whole == 1 << (bits - 1)) & (ulp > least), 0.25, 0.5)
    low, high = np.ldexp(whole - below, ulp), np.ldexp(whole + real(0.5), ulp)
    high = np.where(abs(y) >= most, np.inf, high)
    return np.where(y < 0, -high, low), np.where(y < 0, -low, high)


def rounded(x):
    return x.astype(float).astype(np.float32).astype(real)


def solve(rows):
    """rows: z and bounds of z @ p, and how much of it a unit is."""
    left, right = [], []
    for z, low, high, weight in rows:
        scale = 2.0**14 / weight.astype(float)  # the solver takes rows for kept that are off by 10^-7
        for sign, bound in ((1, high), (-1, -low)):
            known = np.isfinite(bound)
            left.append((np.c_[sign * z, weight.astype(float) * unit] * scale[:, None])[known])
            right.append((bound.astype(float) * scale)[known])
    left, right = np.vstack(left), np.concatenate(right)
    free = [(None, None)] * (left.shape[1] - 1) + [(-1e6, 3000)]
    found = linprog([0] * len(free[1:]) + [-1], left, right, bounds=free, method="highs").x
    return found[:-1], found[-1]


def show(name, found, scale=lambda k: 1.0):
    print(f"{name}: {found[1]:.1f} units")
    for k in reversed(range(len(found[0]))):
        print(f"  {float(np.float32(found[0][k] * scale(k))).hex().replace('0000000p', 'p')}f")


def powers(x, degree):
    return np.vander(x.astype(float), degree + 1, increasing=True)


def near(kind, name, f, inside, degree, first, argument=lambda x: x, known=lambda x: 0 * x):
    """f(x) = known(x) + first(x) p(argument(x)), without estimates."""
    x = numbers(kind, inside)
    y = f(x)
    for at, units in others.get((kind, name), {}).items():
        y = np.where(abs(x) == at, y * (1 + units * real(unit)), y)
    low, high = (end - known(x) for end in ends(kind, y))
    show(f"{name} of {kind} near 0", solve([(powers(argument(x), degree) * first(x).astype(float)[:, None], low, high, abs(y))]))


def far(kind, name, f, inside, factor, times, tanh, known=None):
    """f(x) = a + b e^x; if tanh, a + b / (1 + e^x); a is known(x) if there is such a function. The exponent is `factor` x."""
    x = numbers(kind, inside)
    y, rows = f(x), []
    for at, units in others.get((kind, name), {}).items():
        y = np.where(abs(x) == at, y * (1 + units * real(unit)), y)
    for error in (-times, times):
        for other in (-times, times):
            z = np.exp2(rounded(x * factor)) * (1 + error * exp2_error)
            if tanh:
                z = 1 / (1 + z) * (1 + other * reciprocal_error)
            low, high = ends(kind, y)
            if known:
                rows.append((z.astype(float)[:, None], low - known(x), high - known(x), abs(y)))
            else:
                rows.append((powers(z, 1), low, high, abs(y)))
    show(f"{name} of {kind} elsewhere, estimates off by {times} times", solve(rows))


def softplus(kind, lowest, degree, binades):
    x = numbers(kind, lambda x: (x > lowest) & (x < 30))
    positive = np.maximum(x, 0)
    y, rows = positive + np.log1p(np.exp(-abs(x))), []
    low, high = ends(kind, y)
    for error in (-exp2_error, exp2_error):
        e = np.exp2(rounded(binades - abs(x) * log2_e) - binades) * (1 + error)
        rows.append((powers(e, degree) * e.astype(float)[:, None], low - positive, high - positive, abs(y)))
    show(f"softplus of {kind}, 2^{binades} e", solve(rows), lambda k: 2.0 ** (-binades * (k + 1)))


def gelu(kind, least_x, most_x, smallest, degree, weight, binades):
    """The exponent is bounded, for it is that which is a polynomial. `weight`: a unit of it."""
    x = numbers(kind, lambda x: (x > least_x) & (x < most_x) & (abs(x) > smallest))
    a, positive = abs(x), np.maximum(x, 0)
    phi = [mp.erfc(mp.mpf(float(v)) / mp.sqrt(2)) / 2 for v in a]
    phi = np.array([float(v) for v in phi]).astype(real) + np.array([float(v - mp.mpf(float(v))) for v in phi])
    y = positive - a * phi
    low, high = ends(kind, y)
    least, most, t = (positive - high) / a, (positive - low) / a, np.log2(phi)
    least = np.log2(np.where(least > 0, least, np.nan))
    least, most = np.where(t - least < 1, least, -np.inf), np.where(np.log2(most) - t < 1, np.log2(most), np.inf)
    coefficients, units = solve([(powers(a / 16, degree), least, most, weight(t, y / (a * phi)))])
    coefficients[0] += binades
    show(f"log2(Phi(-a)) + {binades} of {kind}, in 2^-{binades} a", (coefficients, units), lambda k: 2.0 ** ((binades - 4) * k))


def tanhshrink(x):
    s = x * x  # the series where the difference cancels
    series = real(1382) / 155925 - s * (real(21844) / 6081075 - s * real(929569) / 638512875)
    series = x * s * (real(1) / 3 - s * (real(2) / 15 - s * (real(17) / 315 - s * (real(62) / 2835 - s * series))))
    return np.where(abs(x) < 0.02, series, x - np.tanh(x))


scale = real("1.0507009873554804934193349852946")
alpha = scale * real("1.6732632423543772848170429916717")
cap = real(50)


def selu(x):
    return alpha * np.expm1(x)


def softcap(x):
    return cap * np.tanh(x / cap)


def within(last):
    return lambda x: abs(x) <= last


def below(last):
    return lambda x: (-last <= x) & (x < 0)


def beyond(last):
    return lambda x: (last < x) & (x < 20 * max(1, last / 0.48))


print("by x: elu less 1, selu, tanh and softcap in x^2; by x^3, tanhshrink in x^2")
near("bf16", "elu", np.expm1, below(0.04), 0, np.square, known=lambda x: x)
near("bf16", "selu", selu, below(0.03), 1, lambda x: x)
near("bf16", "tanh", np.tanh, within(0.2), 1, lambda x: x, np.square)
near("bf16", "softcap", softcap, within(7.5), 1, lambda x: x, np.square)
near("bf16", "tanhshrink", tanhshrink, within(0.5), 2, lambda x: x**3, np.square)
near("f16", "elu", np.expm1, below(0.4), 3, np.square, known=lambda x: x)
far("f16", "elu", np.expm1, lambda x: (x < -0.4) & (x > -20), log2_e, 1, False)
near("f16", "selu", selu, below(0.6), 4, lambda x: x)
far("f16", "selu", selu, lambda x: (x < -0.6) & (x > -20), log2_e, 1, False)
near("f16", "tanh", np.tanh, within(0.48), 3, lambda x: x, np.square)
far("f16", "tanh", np.tanh, beyond(0.48), 2 * log2_e, 3, True)
near("f16", "softcap", softcap, within(24), 3, lambda x: x, np.square)
far("f16", "softcap", softcap, beyond(24), float(np.float32(2 * log2_e / 50)), 3, True)
near("f16", "tanhshrink", tanhshrink, within(0.8), 4, lambda x: x**3, np.square)
far("f16", "tanhshrink", tanhshrink, beyond(0.8), 2 * log2_e, 1, True, lambda x: x - 1)
softplus("bf16", -95, 5, 8)
softplus("f16", -17.4, 7, 0)
# A unit of bf16 is what the estimate is off by, and roundings of so large a number; of f16 one of the result.
gelu("bf16", -13.7, 8, 2.0**-20, 9, lambda t, steep: 6 + 1.2 * abs(t), 12)
gelu("f16", -5.6, 5, 2.0**-10, 8, lambda t, steep: np.minimum(abs(steep) / np.log(2), 1000), 0)
