"""sure_forms.py: the coefficients of cuda/sure_forms.hpp.

Not the nearest polynomial, but the one that keeps every bf16 result furthest from where it would be rounded the other way:
a linear program with two rows for each input and each direction of the estimates' errors. What it prints is that
distance, in units of 2^-24 of the result, roundings of f32 not counted. short_forms_test has the proof. Needs numpy, scipy and mpmath, and a
long double of 64 bits (x86).
"""

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

mp.mp.dps = 40
real = np.longdouble
unit, exp2_error, reciprocal_error = 2.0**-24, 4.2 * 2.0**-24, 2.1 * 2.0**-24  # what PTX allows, and 5 %
log2_e = float(np.float32(1.4426950408889634))
every = (np.arange(65536, dtype=np.uint32) << 16).view(np.float32)
every = every[np.isfinite(every) & (abs(every) > 2.0**-30)]


def ends(y):
    """Between which numbers all are rounded to the bf16 that y is."""
    mantissa, exponent = np.frexp(abs(y))
    ulp = np.maximum(exponent - 8, -133).astype(int)
    whole = np.rint(np.ldexp(mantissa, exponent - ulp))
    below = np.where((whole == 128) & (ulp > -133), 0.25, 0.5)
    low, high = np.ldexp(whole - below, ulp), np.ldexp(whole + real(0.5), ulp)
    return np.where(y < 0, -high, low), np.where(y < 0, -low, high)


def rounded(x):
    return x.astype(float).astype(np.float32).astype(real)


def solve(rows):
    """rows: z and bounds of z @ p, and how much of it a unit is."""
    left, right = [], []
    for z, low, high, weight in rows:
        scale = 1 / weight.astype(float)
        for sign, bound in ((1, high), (-1, -low)):
            known = np.isfinite(bound)
            left.append((np.c_[sign * z, weight.astype(float) * unit] * scale[:, None])[known])
            right.append((bound.astype(float) * scale)[known])
    left, right = np.vstack(left), np.concatenate(right)
    free = [(None, None)] * (left.shape[1] - 1) + [(-1e6, 1e4)]
    found = linprog([0] * len(free[1:]) + [-1], left, right, bounds=free, method="highs").x
    return found[:-1], found[-1]


def show(name, found, scale=lambda k: 1.0):
    print(f"{name}: {found[1]:.1f} units")
    for k in reversed(range(len(found[0]))):
        print(f"  {float(np.float32(found[0][k] * scale(k))).hex().replace('0000000p', 'p')}f")


def powers(x, degree):
    return np.vander(x.astype(float), degree + 1, increasing=True)


def polynomial(f, inside, degree, first, argument):
    """f(x) = first(x) p(argument(x))"""
    x = every[inside(every)].astype(real)
    y, factor = f(x), first(x)
    low, high = ends(y)
    return solve([(powers(argument(x), degree) * factor.astype(float)[:, None], low, high, abs(y))])


def identity(x):
    return x


scale = real("1.0507009873554804934193349852946")
alpha = scale * real("1.6732632423543772848170429916717")
near = lambda last: lambda x: (-last <= x) & (x < 0)
elu = every[near(0.04)(every)].astype(real)
low, high = ends(np.expm1(elu))
show("elu near 0: x (1 + c x)", solve([(powers(elu, 0) * (elu * elu).astype(float)[:, None], low - elu, high - elu, abs(elu))]))
show("selu near 0, by x", polynomial(lambda x: alpha * np.expm1(x), near(0.03), 1, identity, identity))
show("tanh up to 0.2, by x, in x^2", polynomial(np.tanh, lambda x: abs(x) <= 0.2, 1, identity, np.square))
cap = real(50)
show("softcap up to 7.5", polynomial(lambda x: cap * np.tanh(x / cap), lambda x: abs(x) <= 7.5, 1, identity, np.square))


def tanhshrink(x):
    s = x * x  # the series where the difference cancels
    series = x * s * (real(1) / 3 - s * (real(2) / 15 - s * (real(17) / 315 - s * (real(62) / 2835 - s * real(1382) / 155925))))
    return np.where(abs(x) < 0.01, series, x - np.tanh(x))


show("tanhshrink up to 0.5, by x^3, in x^2", polynomial(tanhshrink, lambda x: abs(x) <= 0.5, 2, lambda x: x**3, np.square))

x = every[(every > -95) & (every < 30)].astype(real)
y = np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))
low, high = ends(y)
rows = []
for error in (-exp2_error, exp2_error):
    e = np.exp2(rounded(8 - abs(x) * log2_e) - 8) * (1 + error)
    rows.append((powers(e, 5) * e.astype(float)[:, None], low - np.maximum(x, 0), high - np.maximum(x, 0), abs(y)))
show("log1p(e) by 2^8 e", solve(rows), lambda k: 2.0 ** (-8 * (k + 1)))

# Of gelu the exponent is bounded, for it is that which is a polynomial; its unit is what the estimate is off by, and what
# roundings of so large a number are.
x = every[(every > -13.7) & (every < 8) & (abs(every) > 2.0**-20)].astype(real)
a = abs(x)
phi = [mp.erfc(mp.mpf(float(v)) / mp.sqrt(2)) / 2 for v in a]
phi = np.array([float(v) for v in phi]).astype(real) + np.array([float(v - mp.mpf(float(v))) for v in phi])
low, high = ends(np.maximum(x, 0) - a * phi)
least, most = (np.maximum(x, 0) - high) / a, (np.maximum(x, 0) - low) / a
t = np.log2(phi)
least = np.log2(np.where(least > 0, least, np.nan))
least, most = np.where(t - least < 1, least, -np.inf), np.where(np.log2(most) - t < 1, np.log2(most), np.inf)
found = solve([(powers(a / 16, 9), least, most, 6 + 1.2 * abs(t))])
show("log2(Phi(-a)) + 12, in 2^-12 a", (found[0] + 12 * np.eye(10)[0], found[1]), lambda k: 256.0**k)
