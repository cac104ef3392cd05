"""Whether a fitted law is adequate: the tests behind the warnings of a fit."""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import lengths, softplus
from bnsl.forms.form import Form

# A break shows if it stands out by so many standard deviations once its place and width are given. Where
# they are sought as well, straight laws show one of 3 in 4 % of 5,000 simulations and one of 4 in 0.1 %.
VISIBLE = 4.0
PLACED = float(np.log(2.0))  # From this standard deviation of log d on, a break's place is not known.
ARITHMETIC = 1e-14  # Singular values below this share of the largest are rounding.
LEAST_TESTED = 6  # Residuals are looked at from so many degrees of freedom on.
# From so many standard deviations on, one break more shows. The largest over all trial breaks exceeds them in
# 1 % of curves that have none (300 simulated, benchmarks/coverage.py draws such).
MISSING = 3.5
# Trial breaks lie at so many places, even in log x, with widths that are these shares of its range.
PLACES, WIDTHS = 24, (0.02, 0.06, 0.15, 0.4)
AT_ONCE = 4096  # So many points are taken at a time: a million would need gigabytes.


def signals(form: Form, theta: np.ndarray, white: np.ndarray, free: np.ndarray) -> np.ndarray:
    """|c_i| over its standard error, the place and width of break i being given: (n_breaks,).

    It is, to first order, how far the law is from the nearest without break i, in standard deviations of
    the noise; its square is the noncentrality of the likelihood ratio. `white` (N, p) are the derivatives by
    the coordinates theta (p,) over the noise, and `free` (p,) says which are fitted.
    """
    out = np.zeros(form.n_breaks)
    for i in range(form.n_breaks):
        at = form.names.index(f"c{i + 1}")
        others = free.copy()
        others[[form.names.index(f"{letter}{i + 1}") for letter in "cdf"]] = False
        column, rest = white[:, at], white[:, others]
        if not np.isfinite(white).all() or not column.any():
            continue
        norms = lengths(rest)
        rest = rest / np.where(norms > 0, norms, 1.0)
        size = float(np.linalg.norm(column))
        basis, r = np.linalg.qr(rest)
        basis = basis[:, np.abs(np.diag(r)) > ARITHMETIC]
        left = column / size - basis @ (basis.T @ (column / size))
        left -= basis @ (basis.T @ left)  # the second time for what rounding left
        share = float(np.linalg.norm(left))
        out[i] = abs(theta[at]) * size * share if share > ARITHMETIC else 0.0
    return out


def missing_break(
    log_x: np.ndarray, residual: np.ndarray, jacobian: np.ndarray, level: int, free: np.ndarray
) -> float:
    """How much one break more would show, in standard deviations.

    The score test of every trial break, beside all fitted parameters; the largest is returned (Davies, 1987,
    Biometrika 74, 33, on what that means for its distribution). Arguments as of `notes.misfit_notes`, and
    the form's `level`.
    """
    span = float(log_x[-1] - log_x[0])
    places = np.linspace(log_x[0], log_x[-1], PLACES + 2)[1:-1]
    widths = span * np.array(WIDTHS)
    basis = _basis(jacobian[:, free], 1e-10)
    square, along = np.zeros(PLACES * len(WIDTHS)), np.zeros(PLACES * len(WIDTHS))
    inside = np.zeros((basis.shape[1], len(square)))  # the part of each trial that the parameters make up for
    for first in range(0, len(log_x), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        trial = widths * softplus((log_x[part, None, None] - places[:, None]) / widths)
        # A slope moves log g, as its level does.
        trial = jacobian[part, level, None] * trial.reshape(-1, len(square))
        square += np.sum(trial**2, axis=0)
        along += residual[part] @ trial
        inside += basis[part].T @ trial
    norms = np.sqrt(np.where(square > 0, square, 1.0))
    left = np.sqrt(np.maximum(square / norms**2 - np.sum((inside / norms) ** 2, axis=0), 0.0))
    apart = left > 1e-3
    if not apart.any():
        return 0.0
    rest_of_score = (along - (residual @ basis) @ inside) / norms
    score = np.where(apart, rest_of_score / np.where(apart, left, 1.0), 0.0)
    rest = np.maximum(residual @ residual - score**2, 1e-300) / (len(residual) - basis.shape[1] - 1)
    best = int(np.argmax(np.abs(score)))
    return float(np.abs(score[best]) / np.sqrt(rest[best]))


def durbin_watson(residual: np.ndarray, columns: np.ndarray) -> float:
    """The Durbin-Watson statistic, sum (e_i - e_(i-1))^2 / sum e_i^2, in standard deviations from its mean.

    Mean and standard deviation are the exact ones under independent noise, with p parameters fitted, of which
    columns (N, p) are the derivatives (Durbin and Watson, 1950, Biometrika 37, 409). Far below 0:
    neighbouring residuals (N,) are alike.
    """
    count, dof = len(residual), len(residual) - columns.shape[1]
    basis = _basis(columns, 0.0)
    # Traces of M A and (M A)^2, with A = D^T D, D the differences, and M = 1 - Q Q^T.
    step = np.diff(basis, axis=0)
    square = step.T @ step
    second = np.zeros_like(basis)
    second[:-1] -= step
    second[1:] += step
    mean = (2.0 * (count - 1) - np.trace(square)) / dof
    trace = 6.0 * count - 8.0 - 2.0 * np.sum(second**2) + np.sum(square**2)
    variance = 2.0 * (trace - dof * mean**2) / (dof * (dof + 2))
    statistic = np.sum(np.diff(residual) ** 2) / np.sum(residual**2)
    return float((statistic - mean) / np.sqrt(max(variance, 1e-300)))


def _basis(columns: np.ndarray, least: float) -> np.ndarray:
    """Orthonormal columns that span those given, less directions below the share `least` of the largest."""
    if columns.shape[1] == 0:  # everything was fixed
        return columns
    size = lengths(columns)
    u, s, _ = np.linalg.svd(columns / np.where(size > 0, size, 1.0), full_matrices=False)
    return u[:, s >= least * s[0]]
