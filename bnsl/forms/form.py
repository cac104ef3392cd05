"""What a functional form is: a pure map from coordinates and log x to log y."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import Array, InputError, positive_inputs, suggest
from bnsl._base.precision import double_precision
from bnsl._base.programs import program

# Shapes: p coordinates, N points, k inputs. `log_x` is (N,) for a form of one input and (N, k) otherwise.


@dataclass(frozen=True)
class Parameter:
    """One parameter of a form, under the name that the literature gives it.

    `lower` and `upper` are the values it can take at all. With `log`, the solver's coordinate is the
    logarithm of its absolute value, and the parameter can only be finite and non-zero. `mixes` says that
    its value in other units depends on other parameters too (b in b x^-c does: it carries the unit x^c).
    """

    name: str
    log: bool = False
    lower: float = -np.inf
    upper: float = np.inf
    mixes: bool = False


class Separable(NamedTuple):
    """The start of a fit as linear least squares: log|y - limit| is linear in all but a few parameters.

    For every outer node (a value of the limit, say) there is a target and a weight per point; the basis
    is `always` and `picks` columns out of a dictionary laid out as positions x shapes (Golub and Pereyra,
    1973, variable projection).
    """

    outer: Array  # (A, ...) whatever `assemble` needs of the outer node
    target: Array  # (A, N)
    weight: Array  # (A, N), d log y / d target
    always: Array  # (q, N)
    dictionary: Array  # (D, F, N); D or F may be 0
    positions: Array  # (D,)
    shapes: Array  # (F,)
    alike: int = 1  # outer nodes come in runs of so many, of which only the best is a start


class Form(abc.ABC):
    """A functional form y(x) with named parameters.

    A subclass is one class in one place: its `parameters`, its `log_y`, how its coordinates change with
    the units (`rescale`), and the box in which they are sought (`domain`). `separable` and `assemble`
    are optional: they give better starts than the default, a scan of the box. Instances are immutable and
    hashable, since they are static arguments of compiled programs.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ("x",)
    picks: int = 0
    per_pick: ClassVar[int] = 0  # coordinates of a pick, where those of picks come last
    level: ClassVar[int] = 0  # and the coordinate that adds to what a `trial` adds to

    # --- what a form must say ---------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in the order of the coordinates."""

    @abc.abstractmethod
    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log y of one coordinate vector theta (p,) at log_x (N,) or (N, k): (N,). Pure JAX."""

    @abc.abstractmethod
    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """Coordinates of the same law once x is multiplied by exp(log_s) and y by exp(log_t).

        theta is (..., p), log_s a number (or (k,)), log_t a number; works on NumPy and JAX arrays.
        """

    @abc.abstractmethod
    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """Lower and upper bounds (p,) of the coordinates for data in normalised units.

        Points of weight 0 are padding and must not count.
        """

    # --- what a form may better -------------------------------------------------------------------

    def y(self, theta: Array, log_x: Array) -> Array:
        """y (N,) of one coordinate vector; differs from exp(log_y) only where y may be negative."""
        return jnp.exp(self.log_y(theta, log_x))

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y (N,) and its derivatives with respect to the coordinates (p, N)."""
        return _value_and_jacobian(lambda t: self.log_y(t, log_x), theta)

    def y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """y (N,) and its derivatives with respect to the coordinates (p, N)."""
        return _value_and_jacobian(lambda t: self.y(t, log_x), theta)

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable | None:
        """The starting problem in normalised units, or None to scan the domain instead."""
        return None

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """Coordinates (p,) from an outer node, the picked positions and shapes, and the linear solution."""
        raise TypeError(f"form {self.name!r} gives `separable` but no `assemble`")

    def outer_of(self, theta: Array) -> Array:
        """The outer node of `separable` at which a solution stands."""
        raise TypeError(f"form {self.name!r} has picks but no `outer_of`")

    def trial(self, position: Array, shape: Array, log_x: Array) -> Array:
        """The basis column (N,) of one pick."""
        raise TypeError(f"form {self.name!r} has picks but no `trial`")

    def regrowth(
        self, theta: Array, outer: Array, dropped: Sequence[int], log_x: Array, y: Array, weight: Array
    ) -> tuple[Array, Array, Array]:
        """The linear problem of replacing the picks `dropped` of a solution, at another outer node.

        Returns target (N,) and weight (N,) as in `Separable`, and the basis of what stays (q, N).
        """
        raise TypeError(f"form {self.name!r} has picks but no `regrowth`")

    def regrown(
        self,
        theta: Array,
        outer: Array,
        dropped: Sequence[int],
        positions: Array,
        shapes: Array,
        beta: Array,
    ) -> Array:
        """Coordinates (p,) with other picks (k,) in the place of `dropped`, from the linear solution."""
        raise TypeError(f"form {self.name!r} has picks but no `regrown`")

    def sprouted(self, theta: Array, positions: Array, shapes: Array) -> Array:
        """theta with its last picks (k,) replaced by others, of no effect yet."""
        raise TypeError(f"form {self.name!r} has picks but no `sprouted`")

    def without(self, theta: np.ndarray, dropped: Sequence[int]) -> np.ndarray:
        """Coordinates (..., p) with the picks `dropped` put last, of no effect."""
        raise TypeError(f"form {self.name!r} has picks but no `without`")

    def kick_scale(self, log_x: Array, weight: Array) -> Array:
        """Typical displacement (p,) of the coordinates that a search tries from a solution it has found."""
        return jnp.zeros(len(self.parameters))

    def from_working(self, working: Array) -> Array:
        """Coordinates (p,) from those in which the solver walks, where log x of the last point is 0.

        A form may choose others than its own, in which the valleys of the cost are straighter.
        """
        return working

    def to_working(self, theta: Array) -> Array:
        """The inverse of `from_working`."""
        return theta

    def working_jacobian(self, working: Array, jacobian: Array) -> Array:
        """Derivatives (p, N) by the solver's coordinates, at `working`, from those by the form's own."""
        return jacobian

    def working_box(self, working: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Bounds in the solver's coordinates, at `working`, from those of the form's own."""
        return lower, upper

    # --- for its users ----------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in the order of the coordinates."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def label(self) -> str:
        """A short name for tables and legends."""
        return self.name

    def spec(self) -> dict[str, Any]:
        """The arguments that `bnsl.forms.get_form` needs to make this form again."""
        return {"form": self.name}

    def to_params(self, theta: ArrayLike) -> dict[str, float]:
        """Named parameter values of one coordinate vector (p,)."""
        values = np.asarray(theta, dtype=float)
        with np.errstate(over="ignore"):  # b in extreme units may be beyond the range of a double
            return {
                q.name: float(np.exp(v)) if q.log else float(v)
                for q, v in zip(self.parameters, values, strict=True)
            }

    def from_params(self, params: Mapping[str, float]) -> np.ndarray:
        """Coordinates (p,) of named parameter values.

        Raises InputError for a missing, unknown or impossible one.
        """
        for name in params:
            if name not in self.names:
                raise InputError(
                    f"params: form {self.label!r} has no parameter {name!r}; it has {', '.join(self.names)}"
                    + suggest(name, self.names)
                )
        missing = [name for name in self.names if name not in params]
        if missing:
            raise InputError(f"params: form {self.label!r} also needs {', '.join(missing)}")
        return np.array([self.coordinate(q, params[q.name], "params") for q in self.parameters])

    def coordinate(self, parameter: Parameter, value: float, argument: str) -> float:
        """The coordinate of one parameter value, after checking that the value is possible."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InputError(f"{argument}[{parameter.name!r}] = {value!r} is not a number") from None
        possible = np.isfinite(number) and parameter.lower <= number <= parameter.upper
        if not possible or (parameter.log and number == 0):
            raise InputError(
                f"{argument}[{parameter.name!r}] = {number:g} is impossible for form {self.label!r}: "
                f"it must be a finite number {_range_text(parameter)}"
            )
        return float(np.log(abs(number))) if parameter.log else number

    def evaluate(self, params: Mapping[str, float] | ArrayLike, x: ArrayLike) -> np.ndarray:
        """y at x of named parameters, or of a batch of coordinate vectors.

        Args:
            params: a mapping of parameter values, or coordinates of shape (..., p).
            x: positive inputs of any shape S (or S + (k,) for a form of k inputs).

        Returns:
            y of shape S for a mapping, or batch shape + S.
        """
        theta = self.from_params(params) if isinstance(params, Mapping) else np.asarray(params, float)
        points, shape = positive_inputs(x, len(self.inputs))
        batch = theta.reshape(-1, theta.shape[-1])
        with double_precision():
            values = np.asarray(_evaluate(self, batch, np.log(padded(points))))[:, : len(points)]
        return values.reshape(theta.shape[:-1] + shape)

    def slope(self, params: Mapping[str, float] | ArrayLike, x: ArrayLike) -> np.ndarray:
        """The local log-log slope d log y / d log x at x; for k inputs, one slope an input.

        Returns an array of the shape of x. It is negative where y falls.
        """
        theta = self.from_params(params) if isinstance(params, Mapping) else np.asarray(params, float)
        points, shape = positive_inputs(x, len(self.inputs))
        with double_precision():
            values = np.asarray(_slope(self, theta, np.log(points)))
        return values.reshape(shape + ((len(self.inputs),) if len(self.inputs) > 1 else ()))


def padded(points: np.ndarray) -> np.ndarray:
    """The last row repeated up to the next power of two, 16 at least: few lengths, few compiled programs."""
    if len(points) == 0:
        return points
    length = max(16, 1 << (len(points) - 1).bit_length())
    return np.concatenate([points, np.repeat(points[-1:], length - len(points), axis=0)])


@partial(program, static_argnums=0)
def _evaluate(form: Form, theta: Array, log_x: Array) -> Array:
    return jax.vmap(form.y, in_axes=(0, None))(theta, log_x)


@partial(program, static_argnums=0)
def _slope(form: Form, theta: Array, log_x: Array) -> Array:
    def at_point(point: Array) -> Array:
        return form.log_y(theta, point[None])[0]

    return jax.vmap(jax.grad(at_point))(log_x)


def _range_text(parameter: Parameter) -> str:
    strict = "" if parameter.log else "="
    if np.isinf(parameter.upper):
        return "" if np.isinf(parameter.lower) else f">{strict} {parameter.lower:g}"
    if np.isinf(parameter.lower):
        return f"<{strict} {parameter.upper:g}"
    return f"from {parameter.lower:g} to {parameter.upper:g}"


# --- pieces that forms share ----------------------------------------------------------------------


# artanh(s) / s in powers of s^2; for s up to 1/3 the terms left out are below rounding.
_ARTANH = tuple(1.0 / (2 * k + 1) for k in range(17))


def log1p_of_share(share: Array) -> Array:
    """log(1 + share) for 0 <= share <= 1, as 2 artanh(share / (2 + share)).

    XLA's own log1p, which serves every argument, takes several times as long, and laws spend most of their
    time there. NaN stays NaN.
    """
    s = share / (2.0 + share)
    square = s * s
    value = jnp.full_like(s, _ARTANH[-1])
    for coefficient in _ARTANH[-2::-1]:
        value = value * square + coefficient
    return 2.0 * s * value


def _value_and_jacobian(function: Callable[[Array], Array], theta: Array) -> tuple[Array, Array]:
    def push(tangent: Array) -> tuple[Array, Array]:
        return jax.jvp(function, (theta,), (tangent,))

    return jax.vmap(push, out_axes=(None, 0))(jnp.eye(theta.shape[0], dtype=theta.dtype))


@jax.custom_jvp
def log_sum(limit: Array, log_g: Array) -> Array:
    """log(limit + exp(log_g)) for limit >= 0, without overflow, exact and differentiable at limit = 0."""
    log_limit = jnp.log(limit)
    larger = jnp.maximum(log_limit, log_g)
    apart = jnp.where(log_limit == log_g, 0.0, jnp.abs(log_limit - log_g))  # both may be infinite
    return larger + log1p_of_share(jnp.exp(-apart))


@log_sum.defjvp
def _log_sum_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    limit, log_g = primals
    d_limit, d_log_g = tangents
    value = log_sum(limit, log_g)
    return value, jnp.exp(-value) * d_limit + jnp.exp(log_g - value) * d_log_g


def log_difference(limit: Array, log_g: Array) -> Array:
    """log(limit - exp(log_g)); NaN where the difference is not positive."""
    return jnp.log(limit) + jnp.log1p(-jnp.exp(log_g - jnp.log(limit)))


def data_range(log_x: Array, weight: Array) -> tuple[Array, Array]:
    """Smallest and largest log x (of one input) over the points of positive weight."""
    seen = weight > 0
    return jnp.min(jnp.where(seen, log_x, jnp.inf)), jnp.max(jnp.where(seen, log_x, -jnp.inf))


def limit_nodes(y: Array, weight: Array, rising: bool) -> tuple[Array, Array, Array]:
    """Trial limits with log|y - limit| and d log y / d log|y - limit| for each: (A,), (A, N), (A, N).

    A falling curve has its limit below all points, down to 0; a rising one above all points.
    """
    seen = weight > 0
    low, high = jnp.min(jnp.where(seen, y, jnp.inf)), jnp.max(jnp.where(seen, y, -jnp.inf))
    if rising:
        step = jnp.array([0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0])
        spread = jnp.maximum(high - low, 1e-3 * jnp.abs(high))
        limits = high + step * jnp.where(spread > 0, spread, 1.0)
        gap: Array = limits[:, None] - y
    else:
        share = jnp.array([1.0, 0.8, 0.6, 0.4, 0.25, 0.14, 0.07, 0.03, 0.01, 0.002])
        floor = jnp.where(low > 0, low, high - low)  # only a linear loss sees low <= 0
        floor = jnp.where(floor > 0, floor, 1.0)
        limits = low - share * floor
        gap = y - limits[:, None]
    gap = jnp.where(seen, gap, 1.0)
    magnitude = jnp.where(jnp.min(jnp.where(seen, y, jnp.inf)) > 0, jnp.abs(y), 1.0)
    return limits, jnp.log(gap), gap / jnp.where(seen, magnitude, 1.0)
