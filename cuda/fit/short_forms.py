"""short_forms.py: the coefficients of cuda/short_forms.hpp, and what they lose once they are rounded to f32.

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
