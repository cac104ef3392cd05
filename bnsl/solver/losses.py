"""Residual spaces in which a law is compared with the data, and robust losses."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from bnsl._base.checks import Array
from bnsl._base.precision import double_precision
from bnsl._base.programs import program
from bnsl.forms.form import Form, padded

LOSSES = ("log", "log1p", "linear")
ROBUST = ("huber", "soft_l1")


def transform(loss: str, y: Array, unit: float | Array) -> Array:
    """The data in residual space. y is in normalised units, `unit` what one of them is in the user's.

    log y; log(1 + y) in the user's units (the paper's released code); or y.
    """
    xp = np if isinstance(y, np.ndarray) else jnp
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


def model_and_jacobian(
    form: Form, loss: str, theta: Array, log_x: Array, unit: float | Array
) -> tuple[Array, Array]:
    """The law in residual space (N,) and its derivatives by the coordinates (p, N)."""
    if loss == "linear":
        return form.y_and_jacobian(theta, log_x)
    log_y, jacobian = form.log_y_and_jacobian(theta, log_x)
    if loss == "log":
        return log_y, jacobian
    y = unit * jnp.exp(log_y)
    return jnp.log1p(y), jacobian * (y / (1.0 + y))


def law_and_jacobian(
    form: Form, loss: str, theta: np.ndarray, log_x: np.ndarray, unit: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """`model_and_jacobian` for callers with NumPy arrays: compiled, for a few lengths."""
    count = len(log_x)
    with double_precision():
        found = _law_and_jacobian(form, loss, theta, padded(log_x), unit)
        value, jacobian = (np.asarray(part)[..., :count] for part in found)
    return value, jacobian


@partial(program, static_argnums=(0, 1))
def _law_and_jacobian(form: Form, loss: str, theta: Array, log_x: Array, unit: Array) -> tuple[Array, Array]:
    return model_and_jacobian(form, loss, theta, log_x, unit)


def sigma_in_residual_space(loss: str, sigma: Array, y: Array, unit: float | Array) -> Array:
    """The standard deviation of a residual, from that of y, to first order."""
    if loss == "log":
        return sigma / y
    if loss == "log1p":
        return unit * sigma / (1.0 + unit * y)
    return sigma


def robust_cost_and_weight(robust: str | None, z: Array) -> tuple[Array, Array]:
    """rho(z) and rho'(z) of z = (residual / scale)^2, as in SciPy's `least_squares`.

    None: z. Huber: z up to 1, then 2 sqrt(z) - 1. Soft-L1: 2 (sqrt(1 + z) - 1).
    """
    if robust is None:
        return z, jnp.ones_like(z)
    if robust == "huber":
        root = jnp.sqrt(jnp.maximum(z, 1.0))
        return jnp.where(z <= 1.0, z, 2.0 * root - 1.0), 1.0 / root
    root = jnp.sqrt(1.0 + z)
    return 2.0 * (root - 1.0), 1.0 / root
