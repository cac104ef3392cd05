"""Gauss-Newton covariance on arrays, and which parameters it leaves undetermined."""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import lengths
from bnsl.forms.form import Form

SINGULAR = 1e-10  # Relative size of a singular value below which a direction is not determined by the data.


def _directions(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths of columns (N, p), 1 for those of 0s, and of unit columns p singular values and directions."""
    scale = lengths(columns)
    scale[scale == 0] = 1.0
    count, p = columns.shape
    _, s, vt = np.linalg.svd(columns / scale, full_matrices=count < p)
    return scale, np.concatenate([s, np.zeros(len(vt) - len(s))]), vt


def covariance_root(
    jacobian: np.ndarray, residual_variance: float, free: np.ndarray
) -> tuple[np.ndarray, float]:
    """R (p, p) with R R^T the covariance of the coordinates, and the condition number of the scaled Jacobian.

    A root and not its square, because the variance of a parameter of 1e-200 is no double any more.

    Args:
        jacobian: (N, p) derivatives of the weighted residuals.
        residual_variance: their variance; NaN makes every entry of a free coordinate NaN.
        free: (p,) bool; the others are known exactly and get 0.

    Columns are scaled to unit length first, so that the condition number does not depend on units. The
    variance along a direction that the data do not determine is as large as the arithmetic lets it be,
    never cut to zero.
    """
    p = jacobian.shape[1]
    root = np.zeros((p, p))
    columns = jacobian[:, free]
    count = columns.shape[1]
    if count == 0:
        return root, 1.0
    if not np.isfinite(columns).all():
        root[free, :count] = np.nan
        return root, np.inf
    scale, s, vt = _directions(columns)
    largest = max(float(s[0]), 1e-300)
    condition = float(largest / s[-1]) if s[-1] > 0 else np.inf
    inverse = 1.0 / np.maximum(s, 1e-16 * largest)
    root[free, :count] = np.sqrt(residual_variance) * (vt.T * inverse) / scale[:, None]
    return root, condition


def in_other_units(
    form: Form, theta: np.ndarray, root: np.ndarray, log_s: np.ndarray, log_t: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A law (p,) and the root (p, p) of its covariance once x and y are multiplied by exp(log_s), exp(log_t).

    A step along the imaginary axis gives the derivatives of one by the other to the last digit.
    """
    step = 1e-10  # whose square is below rounding, and which leaves units of 1e-290 above underflow
    moved = np.imag(form.rescaled(theta + 1j * step * np.eye(len(theta)), log_s, log_t)) / step
    return form.rescaled(theta, log_s, log_t), moved.T @ root


def sandwich_root(
    jacobian: np.ndarray,
    psi: np.ndarray,
    steepness: np.ndarray,
    free: np.ndarray,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """R (p, p) with R R^T the covariance of the coordinates that is right under uneven noise, too.

    The sandwich estimate in its HC3 variant (MacKinnon and White, 1985): every residual over one minus its
    leverage stands for the noise of its point. NaN where a point is fitted exactly because it alone
    determines a direction.

    Args:
        jacobian: (N, p) derivatives of the weighted residuals.
        psi: (N,) weighted residuals, as bent by a robust loss.
        steepness: (N,) derivatives of psi by them, ones without a robust loss.
        free: (p,) bool; the others are known exactly and get 0.
        groups: (N,) what belongs together; residuals of one group may be alike, and are summed before they
            are squared (Liang and Zeger, 1986). Of no more groups than parameters, nothing is known.
    """
    p = jacobian.shape[1]
    root = np.zeros((p, p))
    columns = jacobian[:, free]
    n, count = columns.shape
    if count == 0:
        return root
    root[free, :count] = np.nan
    if n <= count or not np.isfinite(columns).all() or not np.isfinite(psi).all():
        return root
    scale = lengths(columns)
    scale[scale == 0] = 1.0
    columns = columns / scale
    _, s, vt = np.linalg.svd(columns * np.sqrt(steepness)[:, None], full_matrices=False)
    inverse = 1.0 / np.maximum(s, 1e-16 * max(float(s[0]), 1e-300))
    along = (columns @ vt.T) * inverse
    left = 1.0 - steepness * np.sum(along**2, axis=1)
    if left.min() < 1e-9:
        return root
    moved = along * (psi / left)[:, None] * inverse  # (N, count), along the singular directions
    if groups is not None:
        kinds, member = np.unique(groups, return_inverse=True)
        if len(kinds) <= count:
            return root
        together = np.zeros((len(kinds), moved.shape[1]))
        np.add.at(together, member, moved)
        moved = together * np.sqrt(len(kinds) / (len(kinds) - 1))
    triangle = np.asarray(np.linalg.qr(moved, mode="r"))
    root[free, :count] = (vt.T @ triangle.T) / scale[:, None]
    return root


def undetermined(jacobian: np.ndarray, free: np.ndarray, singular: float = SINGULAR) -> np.ndarray:
    """(p,) bool: parameters that take part in a direction which the data do not determine at all.

    That is one whose singular value is below the share `singular` of the largest.
    """
    out = np.zeros(jacobian.shape[1], dtype=bool)
    columns = jacobian[:, free]
    if columns.shape[1] == 0:
        return out
    if not np.isfinite(columns).all():
        return free.copy()
    _, s, vt = _directions(columns)
    null = vt[s <= singular * max(float(s[0]), 1e-300)]
    share = np.abs(null).max(axis=0) if len(null) else np.zeros(columns.shape[1])
    out[free] = ~columns.any(axis=0) | (share > 0.1)
    return out
