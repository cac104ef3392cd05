"""Damped linear least squares for many small problems at once: the linear algebra of a step."""

from __future__ import annotations

import numpy as np

from bnsl._base.arrays import Array, namespace

PROMISE = 1e30  # a decrease that no step keeps
WRITTEN_OUT = 400  # rows from which on, in NumPy, hundreds of calls for all of them take less than LAPACK


def damped_step(gram: Array, gradient: Array, damping: Array) -> tuple[Array, Array]:
    """Solve (gram + damping) s = -gradient: s (B, p), and the decrease that it promises (B,).

    Where that breaks down the step is zero and promises more than any step can keep, so that the caller finds
    it wanting and raises the damping.
    """
    xp = namespace(gram)
    if xp is np and len(gram) < WRITTEN_OUT:
        square = gram.copy()
        square.reshape(len(gram), -1)[:, :: gram.shape[-1] + 1] += damping[:, None]
        move = np.linalg.solve(square, -gradient[..., None])[..., 0]
        decrease = -np.sum(gradient * move, axis=-1)
        usable = np.isfinite(decrease) & (decrease >= 0)
    else:
        if xp is np:  # every entry in a row of its own
            gram = np.ascontiguousarray(gram.transpose(1, 2, 0)).transpose(2, 0, 1)
        move, decrease, usable = _unrolled_cholesky(gram, gradient, damping)
    return xp.where(usable[:, None], move, 0.0), xp.where(usable, decrease, PROMISE)


def _unrolled_cholesky(gram: Array, gradient: Array, damping: Array) -> tuple[Array, Array, Array]:
    """The same by a Cholesky factorisation written out for all rows together.

    Compiled, or for many rows, it takes a fraction of the time of batched LAPACK calls on matrices this
    small. The loops are over p, the number of parameters.
    """
    xp = namespace(gram)
    p = gram.shape[-1]
    factor: list[list[Array]] = [[] for _ in range(p)]
    inverse: list[Array] = []
    half: list[Array] = []
    usable = damping > 0
    for j in range(p):
        square = gram[:, j, j] + damping
        for k in range(j):
            square = square - factor[j][k] * factor[j][k]
        usable = usable & (square > 0)
        inverse.append(1.0 / xp.sqrt(xp.where(square > 0, square, 1.0)))
        for i in range(j + 1, p):
            below = gram[:, i, j]
            for k in range(j):
                below = below - factor[i][k] * factor[j][k]
            factor[i].append(below * inverse[j])
        right = -gradient[:, j]
        for k in range(j):
            right = right - factor[j][k] * half[k]
        half.append(right * inverse[j])
    step: list[Array] = [half[0]] * p
    for j in reversed(range(p)):
        right = half[j]
        for i in range(j + 1, p):
            right = right - factor[i][j] * step[i]
        step[j] = right * inverse[j]
    move = xp.stack(step, axis=1)
    decrease = sum(entry * entry for entry in half)
    return move, decrease, usable & xp.all(xp.isfinite(move), axis=1)


def triangular_step(jacobian: Array, residual: Array, damping: Array) -> tuple[Array, Array, Array]:
    """Minimise |residual + s J|^2 + damping |s|^2 by Householder QR, which keeps all digits.

    Normal equations would lose half of them.

    Args:
        jacobian: (B, p, N), one row per parameter.
        residual: (B, N).
        damping: (B,).

    Returns:
        s (B, p), the decrease of the minimised sum (B,), and the upper triangle R (B, p, p) with
        R^T R = J J^T + damping.
    """
    xp = namespace(jacobian)
    batch, p, _ = jacobian.shape
    eye = xp.eye(p, dtype=jacobian.dtype)
    ridge = xp.sqrt(damping)[:, None, None] * eye
    right = xp.concat([-residual, xp.zeros((batch, p), dtype=residual.dtype)], axis=1)
    both = xp.concat([xp.concat([jacobian, ridge], axis=2), right[:, None]], axis=1)
    # With the right-hand side as the last column, R holds Q^T b too, and Q is never formed.
    triangle = xp.linalg.qr(xp.matrix_transpose(both), mode="r")
    projection, corner = triangle[:, :p, p], triangle[:, :p, :p]
    move = xp.linalg.solve(corner, projection[..., None])[..., 0]
    return move, xp.sum(projection**2, axis=1), corner


def again(triangle: Array, jacobian: Array, residual: Array) -> Array:
    """The damped step (B, p) for another residual (B, N), by the triangle of the first."""
    xp = namespace(triangle)
    gradient = -xp.matmul(jacobian, residual[..., None])
    half = xp.linalg.solve(xp.matrix_transpose(triangle), gradient)
    return xp.linalg.solve(triangle, half)[..., 0]
