"""Forms of a user's own, differentiated and run by JAX.

A form that gives no derivatives is written for one law and one curve. Here JAX maps it over batch axes,
derives it, and compiles it for a few sizes of a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bnsl._base.arrays import Array, namespace
from bnsl.forms.form import Form, Separable


def runnable(form: Form) -> Form:
    """The form itself if it gives its derivatives, else a `Traced` of it."""
    closed = type(form).log_y_and_jacobian is not Form.log_y_and_jacobian
    return form if closed else Traced(form)


def _own(name: str) -> Any:
    """A property that is the form's own."""
    return property(lambda traced: getattr(traced.form, name))


def _by_jax(name: str) -> Any:
    """A method of theta (..., p) and log x (..., N), which JAX maps over batches, derives and compiles."""

    def run(traced: Traced, theta: Array, log_x: Array) -> Any:
        return traced._run(name, theta, log_x)

    return run


@dataclass(frozen=True)
class Traced(Form):
    """A form without derivatives of its own, with batch axes and derivatives by JAX.

    NumPy arrays give NumPy arrays of float64; what JAX traces stays traced.
    """

    form: Form

    name = "traced"
    inputs, picks, label = _own("inputs"), _own("picks"), _own("label")
    parameters, has_starts = _own("parameters"), _own("has_starts")
    log_y, log_y_and_jacobian = _by_jax("log_y"), _by_jax("log_y_and_jacobian")
    y, y_and_jacobian = _by_jax("y"), _by_jax("y_and_jacobian")

    def log_slope(self, theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
        """d log y / d log x (N, k)."""
        return self._run("log_slope", theta, log_x).reshape(len(log_x), -1)

    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """Coordinates in other units."""
        import jax

        if any(isinstance(arg, jax.Array) for arg in (theta, log_s, log_t)):
            return self.form.rescale(theta, log_s, log_t)
        with jax.enable_x64(True):  # the form may hand them to `jax.numpy`
            return np.array(self.form.rescale(theta, log_s, log_t))

    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """Bounds (..., p)."""
        return self._mapped(self.form.domain, (log_x, y, weight), (self._points, 1, 1))

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable | None:
        """The starting problem, if the form has one."""
        if type(self.form).separable is Form.separable:
            return None
        alike: list[int] = []

        def arrays(*data: Array) -> tuple[Array, ...]:
            found = self.form.separable(*data)
            alike.append(found.alike)  # type: ignore[union-attr]
            return found[:-1]  # type: ignore[index]

        found = self._mapped(arrays, (log_x, y, weight), (self._points, 1, 1))
        return Separable(*found)._replace(alike=alike[0])

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray | None:
        """Those of the form."""
        import jax

        with jax.enable_x64(True):
            found = self.form.starts(log_x, y, weight, count)
        return None if found is None else np.array(found)

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """Coordinates (..., p)."""
        cores = np.ndim(outer) - np.ndim(beta) + 1, 1, 1, 1
        return self._mapped(self.form.assemble, (outer, positions, shapes, beta), cores)

    # --- how ----------------------------------------------------------------------------------------

    @property
    def _points(self) -> int:
        """Axes of `log_x` without a batch."""
        return 1 if len(self.inputs) == 1 else 2

    def _run(self, what: str, theta: Array, log_x: Array) -> Any:
        import jax

        core = self._points
        if not (isinstance(theta, np.ndarray) and isinstance(log_x, np.ndarray)):
            return self._mapped(_single(self.form, what), (theta, log_x), (1, core))
        batch = np.broadcast_shapes(theta.shape[:-1], log_x.shape[:-core])
        count = math.prod(batch)
        more = (1 << max(count - 1, 0).bit_length()) - count  # few sizes, few compiled programs

        def flat(values: np.ndarray, axes: int) -> np.ndarray:
            shape = values.shape[values.ndim - axes :]
            rows = np.broadcast_to(values, (*batch, *shape)).reshape(-1, *shape)
            return np.concatenate([rows, np.repeat(rows[:1], more, axis=0)])

        with jax.enable_x64(True):
            found = jax.tree.map(np.asarray, _compiled(self.form, what)(flat(theta, 1), flat(log_x, core)))
        return jax.tree.map(lambda v: v[:count].reshape(*batch, *v.shape[1:]), found)

    def _mapped(self, function: Any, args: tuple[Array, ...], cores: tuple[int, ...]) -> Any:
        """A method of the form for one curve, over the batch axes of its arguments, which broadcast.

        `cores` says how many axes each of them has without a batch.
        """
        import jax

        xp = namespace(*args)
        pairs = list(zip(args, cores, strict=True))
        batch = np.broadcast_shapes(*(np.shape(arg)[: np.ndim(arg) - core] for arg, core in pairs))
        args = tuple(
            xp.broadcast_to(arg, (*batch, *np.shape(arg)[np.ndim(arg) - core :])) for arg, core in pairs
        )
        for _ in batch:
            function = jax.vmap(function)
        if xp is not np:
            return function(*args)
        with jax.enable_x64(True):
            return jax.tree.map(np.array, function(*args))


def _single(form: Form, what: str) -> Any:
    """A function of one theta (p,) and one log_x (N,) or (N, k)."""
    import jax
    import jax.numpy as jnp

    value = form.y if what.startswith("y") else form.log_y
    if what in ("log_y", "y"):
        return value
    if what == "log_slope":

        def at_point(theta: Any, point: Any) -> Any:
            return form.log_y(theta, point[None])[0]

        return jax.vmap(jax.grad(at_point, argnums=1), (None, 0))

    def with_jacobian(theta: Any, log_x: Any) -> Any:
        def push(tangent: Any) -> Any:
            return jax.jvp(lambda t: value(t, log_x), (theta,), (tangent,))

        return jax.vmap(push, out_axes=(None, 0))(jnp.eye(theta.shape[0], dtype=theta.dtype))

    return with_jacobian


@lru_cache(maxsize=64)
def _compiled(form: Form, what: str) -> Any:
    import jax

    return jax.jit(jax.vmap(_single(form, what)))
