"""The broken power law as a plain function, for people's own code (arXiv 2210.14891, equation 1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl._base.checks import InputError, numbers


def broken_power_law(x: Array, a: Array, b: Array, c0: Array, c: Array, d: Array, f: Array) -> Array:
    """y = a + b x^(-c0) prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i) (arXiv 2210.14891, equation 1).

    The law as a plain function, for your own code. On JAX arrays it is compiled and works with `grad`, `vmap`
    and `jit`, on any device and in any precision; on NumPy arrays and numbers it runs in NumPy. It is
    computed in logarithms, so no power overflows.

    Args:
        x: positive inputs, of any shape S.
        a: the limit; it broadcasts with x, as `b` and `c0` do.
        b: the scale; negative for a law that rises to its limit.
        c0: the first slope, as -c0.
        c: slope changes of the breaks, shape (..., n), whose leading axes broadcast with x.
        d: positions of the breaks, positive, likewise.
        f: widths of the breaks, positive, likewise.

    Returns:
        y, of the shape that x, a, b, c0 and the leading axes of c, d and f broadcast to. For B laws at N
        points, give x as (N,), a as (B, 1) and c as (B, 1, n).

    Raises:
        InputError: (a ValueError) on NumPy arrays, where an x, d or f is not positive, or c, d and f disagree
            in their number of breaks. On JAX arrays such values give NaN.
    """
    arguments = {"x": x, "a": a, "b": b, "c0": c0, "c": c, "d": d, "f": f}
    plain = {name: isinstance(v, np.ndarray | np.generic) for name, v in arguments.items()}
    if any(hasattr(v, "__array_namespace__") and not plain[name] for name, v in arguments.items()):
        return _compiled_law()(*arguments.values())
    arrays = [
        np.asarray(v) if plain[name] and v.dtype.kind == "f" else numbers(v, name)
        for name, v in arguments.items()
    ]
    for name, array in zip("xdf", (arrays[0], *arrays[5:]), strict=True):
        if array.size and not (array > 0).all():
            worst = array[~(array > 0)].ravel()[0]
            raise InputError(f"{name} holds {worst:g}; x, d and f of a broken power law must be positive")
    _check_breaks(*arrays[4:])
    with np.errstate(over="ignore", under="ignore"):
        try:
            return np.asarray(_law(*arrays))
        except ValueError:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise InputError(f"x, a, b, c0, c, d and f do not broadcast; their shapes are {shapes}") from None


def _check_breaks(*chains: Array) -> None:
    if any(chain.ndim == 0 for chain in chains) or len({chain.shape[-1] for chain in chains}) > 1:
        shapes = ", ".join(str(chain.shape) for chain in chains)
        raise InputError(
            f"c, d and f must have the same number of breaks along their last axis; got {shapes}"
        )


def _law(x: Array, a: Array, b: Array, c0: Array, c: Array, d: Array, f: Array) -> Array:
    xp = namespace(x, a, b, c0, c, d, f)
    log_x = xp.log(x)
    bends = c * f * xp.logaddexp((log_x[..., None] - xp.log(d)) / f, xp.zeros_like(f))
    chain = -c0 * log_x - xp.sum(bends, axis=-1)
    # Where b is 0 its logarithm is not, and the derivative by b is the power law itself.
    there = b != 0
    size = xp.exp(xp.log(xp.abs(xp.where(there, b, xp.ones_like(b)))) + chain)
    return a + xp.where(there, xp.sign(b) * size, b * xp.exp(chain))


@lru_cache(maxsize=1)
def _compiled_law() -> Any:
    import jax
    import jax.numpy as jnp

    def law(*arguments: Any) -> Any:
        arrays = [jnp.asarray(v) for v in arguments]
        _check_breaks(*arrays[4:])
        return _law(*arrays)

    return jax.jit(law)
