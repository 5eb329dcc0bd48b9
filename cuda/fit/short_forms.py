"""short_forms.py: the coefficients of cuda/short_forms.hpp, what they lose once they are rounded to f32, and how much of
its slack silu's tangent may take.

Least squares with Lawson's weights, which tend to the minimax polynomial. Needs numpy and mpmath.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 40


def fit(name, function, weight, degree, low, high):
    """`weight`: of an absolute error."""
    x = low + (high - low) * (0.5 - 0.5 * np.cos(np.pi * (np.arange(1500) + 0.5) / 1500))
    y = np.array([float(function(mp.mpf(v))) for v in x])
    w = np.array([float(weight(mp.mpf(v))) for v in x])
    basis = np.polynomial.chebyshev.chebvander((2 * x - low - high) / (high - low), degree)
    lawson, best = np.ones(len(x)) / len(x), (np.inf, None)
    for _ in range(400):
        s = np.sqrt(lawson) * w
        c = np.linalg.lstsq(basis * s[:, None], y * s, rcond=None)[0]
        error = abs((basis @ c - y) * w)
        best = min(best, (error.max(), tuple(c)))
        lawson = lawson * error / (lawson * error).sum()
    p = np.polynomial.chebyshev.Chebyshev(best[1], domain=[low, high]).convert(kind=np.polynomial.Polynomial).coef
    p = p.astype(np.float32).astype(float)
    lost = abs((np.polynomial.polynomial.polyval(x, p) - y) * w).max() * 2**24
    print(f"{name}: degree {degree} on [{low:g}, {high:g}], error below {lost:.2f} * 2^-24")
    for c in p[::-1]:
        print(f"  {c.hex().replace('0000000p', 'p')}f")


def relative(f):
    return lambda v: 1 / f(v)


def tanh(s):
    return mp.tanh(mp.sqrt(s)) / mp.sqrt(s)


def log1p(e):
    return mp.log1p(e) / e


fit("tanh(x) / x in x^2", tanh, relative(tanh), 4, 1e-9, 0.6**2)
fit("log1p(e) / e", log1p, relative(log1p), 7, 1e-9, 1)
fit("log2(Phi(-a))", lambda a: mp.log(mp.erfc(a / mp.sqrt(2)) / 2, 2), lambda a: mp.log(2), 10, 0, 5.8)


def silu_tangent(t):
    """How much of the slack of s and y = s + p, p = s g (1 - s), errors may take to first order: s = 1 / (1 + e),
    e = 2^t, g = -t ln 2, in units of 2^-24 of s and of |s| + |p|."""
    e, g = 2.0**t, -t * np.log(2)
    s = 1 / (1 + e)
    p = s * g * e * s
    y = s + p
    by_e, by_s = s * (1 - s) * (1 + g * (1 - 2 * s)), s + 2 * p  # by their logarithms
    short = 2.3 * abs(p - t * np.log(2) * by_e)  # beta log2(e), times x
    short += 4 * abs(by_e) + 3 * abs(by_s) + 3.4 * abs(p) + 2 * abs(y)  # estimates, 1 + e; e s, h, g; y, ends
    long = 2.5 * abs(by_e) + abs(by_s) + 2 * abs(p) + 3 * abs(y)
    slope = (short + long) / (s + abs(p)) / (7 + 3.5 * abs(t - 1.8))
    value = ((2.3 * np.log(2) * abs(t) + 4 + 2.5) * (1 - s) + 8) / (12 + 2.4 * abs(t))
    return slope.max(), value.max()


print("silu's tangent: at most %.3f of the slack of its slope, %.3f of its value" % silu_tangent(np.linspace(-126, 110, 10**6)))
