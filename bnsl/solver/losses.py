"""Residual spaces in which a law is compared with the data, and robust losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.autodiff import runnable
from bnsl.forms.form import Form

LOSSES = ("log", "log1p", "linear")
ROBUST = ("huber", "soft_l1")
SILVERMAN = 1.06  # bandwidth in standard deviations, times the fifth root of the number of points


def transform(loss: str, y: Array, unit: float | Array) -> Array:
    """The data in residual space. y is in normalised units, `unit` what one of them is in the user's.

    log y; log(1 + y) in the user's units (the paper's released code); or y.
    """
    xp = namespace(y)
    if loss == "log":
        return xp.log(y)
    if loss == "log1p":
        return xp.log1p(unit * y)
    return y


def back(loss: str, value: Any) -> np.ndarray:
    """The inverse of `transform`, in the user's units."""
    if loss == "log":
        return np.exp(value)
    return np.expm1(value) if loss == "log1p" else np.asarray(value)


def model(form: Form, loss: str, theta: Array, log_x: Array, unit: float | Array) -> Array:
    """The law in residual space (..., N), by itself."""
    return transform(loss, form.y(theta, log_x), unit) if loss != "log" else form.log_y(theta, log_x)


def model_and_jacobian(
    form: Form, loss: str, theta: Array, log_x: Array, unit: float | Array
) -> tuple[Array, Array]:
    """The law in residual space (..., N) and its derivatives by the coordinates (..., p, N).

    `unit` is a number or (..., 1).
    """
    if loss == "linear":
        return form.y_and_jacobian(theta, log_x)
    log_y, jacobian = form.log_y_and_jacobian(theta, log_x)
    if loss == "log":
        return log_y, jacobian
    xp = namespace(log_y)
    y = unit * xp.exp(log_y)
    return xp.log1p(y), jacobian * (y / (1.0 + y))[..., None, :]


def measured(loss: str, y: Array, unit: float | Array) -> tuple[Array, Array]:
    """y of a law in residual space (..., N), and the derivatives of that by y."""
    xp = namespace(y)
    if loss == "linear":
        return y, xp.ones_like(y)
    value = transform(loss, y, unit)
    return value, 1.0 / y if loss == "log" else unit / (1.0 + unit * y)


def law_and_jacobian(
    form: Form, loss: str, theta: np.ndarray, log_x: np.ndarray, unit: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """`model_and_jacobian` of one law (p,) of any form, in silence."""
    with np.errstate(all="ignore"):
        return model_and_jacobian(runnable(form), loss, theta, log_x, unit)


def sigma_in_residual_space(loss: str, sigma: Array, y: Array, unit: float | Array) -> Array:
    """The standard deviation of a residual, from that of y, to first order."""
    if loss == "log":
        return sigma / y
    if loss == "log1p":
        return unit * sigma / (1.0 + unit * y)
    return sigma


def influence(robust: str | None, residual: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """psi, half the derivative of a point's cost by its residual, and the derivative of psi (N,).

    Huber: the residual, held at +-scale, and whether it is below. Soft-L1: r / sqrt(1 + z) and
    (1 + z)^(-3/2), with z = (r / scale)^2. What the residual and 1 are to least squares, these are to an
    M-estimator (Huber, 1981, section 7.6).
    """
    z = (residual / scale) ** 2
    weight = np.asarray(robust_cost_and_weight(robust, z)[1])
    if robust is None:
        return residual, weight
    return weight * residual, _huber_steepness(residual, scale) if robust == "huber" else weight**3


def _huber_steepness(residual: np.ndarray, scale: float) -> np.ndarray:
    """1 up to the scale and 0 beyond; on average the same, but smoother, if few points are within the scale.

    Huber's loss of a small scale is all but the sum of absolute residuals, whose curvature is the density of
    residuals at 0: estimated with a bandwidth by Silverman's rule (Powell, 1991), as for quantile regression.
    """
    size = np.abs(residual)
    wide = max(scale, SILVERMAN * float(np.median(size)) / 0.6745 * len(size) ** -0.2) if len(size) else scale
    return np.where(size <= wide, scale / wide, 0.0)


def robust_cost_and_weight(robust: str | None, z: Array) -> tuple[Array, Array]:
    """rho(z) and rho'(z) of z = (residual / scale)^2, as in SciPy's `least_squares`.

    None: z. Huber: z up to 1, then 2 sqrt(z) - 1. Soft-L1: 2 (sqrt(1 + z) - 1).
    """
    xp = namespace(z)
    if robust is None:
        return z, xp.ones_like(z)
    if robust == "huber":
        root = xp.sqrt(xp.maximum(z, 1.0))
        return xp.where(z <= 1.0, z, 2.0 * root - 1.0), 1.0 / root
    root = xp.sqrt(1.0 + z)
    return 2.0 * (root - 1.0), 1.0 / root
