"""What a functional form is: a pure map from coordinates and log x to log y."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import Array, namespace
from bnsl._base.checks import InputError, as_number, check_flag, check_text, shown, suggest
from bnsl.forms.inputs import Input, X, inputs_of, seen_by_form, usable_inputs

# Shapes: p coordinates, N points, k inputs, any batch axes in front, which broadcast. `log_x` is (..., N) for
# a form of one input and (..., N, k) otherwise.


# From y (..., N) to what a solver lowers the squares of, and the derivatives of that by y.
Misfit = Callable[[Array], tuple[Array, Array]]

AHEAD = 100.0  # so many times beyond the data no law of a positive quantity may cross 0


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

    def __post_init__(self) -> None:
        check_text(self.name, "Parameter: name")
        for name in ("log", "mixes"):
            check_flag(getattr(self, name), f"Parameter {self.name!r}: {name}")
        for name in ("lower", "upper"):
            as_number(getattr(self, name), f"Parameter {self.name!r}: {name}", lambda v: not np.isnan(v))

    @property
    def sign(self) -> float:
        """-1 for a parameter that is negative wherever its logarithm is taken, else 1."""
        return -1.0 if self.log and self.upper <= 0 else 1.0

    def values(self, coordinates: ArrayLike) -> np.ndarray:
        """The parameter's own values at coordinates of any shape; infinite beyond the range of a double."""
        values = np.asarray(coordinates, dtype=float)
        if not self.log:
            return values
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(self.sign * np.exp(values))

    def ends(self, coordinates: ArrayLike) -> tuple[float, float]:
        """Lower and upper end of the parameter's own values from those of its coordinate."""
        low, high = self.values(coordinates)[:: int(self.sign)].tolist()
        return low, high


def positive(name: str) -> Parameter:
    """A positive parameter, whose coordinate is its logarithm."""
    return Parameter(name, log=True, lower=0.0)


class Separable(NamedTuple):
    """The start of a fit as linear least squares: log|y - limit| is linear in all but a few parameters.

    For every outer node (a value of the limit, say) there is a target and a weight per point; the basis
    is `always` and `picks` columns out of a dictionary laid out as positions x shapes (Golub and Pereyra,
    1973, variable projection).
    """

    outer: Array  # (..., A) or (..., A, k), whatever `assemble` needs of the outer node
    target: Array  # (..., A, N)
    weight: Array  # (..., A, N), d log y / d target
    always: Array  # (..., q, N)
    dictionary: Array  # (..., D, F, N); D or F may be 0
    positions: Array  # (..., D)
    shapes: Array  # (..., F)
    alike: int = 1  # outer nodes come in runs of so many, of which only the best is a start


class Form(abc.ABC):
    """A functional form y(x) with named parameters; subclass it to add your own.

    A subclass is one class in one place: its `parameters`, its `log_y`, how its coordinates change with
    the units (`rescale`), and the box in which they are sought (`domain`). `separable` and `assemble`
    are optional: they give better starts than the default, a scan of the box. Instances are immutable and
    hashable, since they are static arguments of compiled programs.

    A form that also gives `log_y_and_jacobian` is written with batch axes, on arrays of the array API
    standard, and runs in NumPy as in JAX (`bnsl._base.arrays.namespace` tells which). One that does not is
    written for one theta (p,) and one log_x (N,) or (N, k), likewise or with `jax.numpy`: JAX differentiates
    and runs it.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[Input, ...]] = (X,)  # or names, which stand for inputs on a log scale
    known_as: ClassVar[tuple[str, ...]] = ()  # other names that people know it by
    formula: ClassVar[str] = ""  # for the table of forms, as `meaning`
    meaning: ClassVar[str] = ""
    picks: int = 0  # columns of the dictionary of `separable` in one law
    n_breaks: int = 0  # breaks that a search may take out and put back elsewhere

    signed: ClassVar[bool] = False  # whether y may be negative, as its limit, the first coordinate, may
    level: ClassVar[int | None] = None  # the coordinate that scales what a break would bend, if one could

    def __init_subclass__(cls, **options: Any) -> None:
        """Inputs may be given by their names alone."""
        super().__init_subclass__(**options)
        given = cls.__dict__.get("inputs")
        if isinstance(given, tuple):
            cls.inputs = inputs_of(given)

    # --- what a form must say ---------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in the order of the coordinates."""

    @abc.abstractmethod
    def log_y(self, theta: Array, log_x: Array) -> Array:
        """log y (..., N) of coordinates theta (..., p) at log_x (..., N) or (..., N, k)."""

    @abc.abstractmethod
    def rescale(self, theta: Any, log_s: Any, log_t: Any) -> Any:
        """Coordinates of the same law once x is multiplied by exp(log_s) and y by exp(log_t).

        theta is (..., p), log_s a number or (...,), or (k,) for several inputs, log_t a number or (...,).
        """

    @abc.abstractmethod
    def domain(self, log_x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
        """Lower and upper bounds (..., p) of the coordinates for data in normalised units.

        Points of weight 0 are padding and must not count.
        """

    # --- what a form may better -------------------------------------------------------------------

    def y(self, theta: Array, log_x: Array) -> Array:
        """y (..., N); differs from exp(log_y) only where y may be negative."""
        return namespace(theta, log_x).exp(self.log_y(theta, log_x))

    def log_y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """log y (..., N) and its derivatives by the coordinates (..., p, N), in closed form."""
        raise TypeError(f"form {self.name!r} gives no derivatives; `bnsl.forms.autodiff.runnable` derives it")

    def y_and_jacobian(self, theta: Array, log_x: Array) -> tuple[Array, Array]:
        """y (..., N) and its derivatives by the coordinates (..., p, N)."""
        log_y, jacobian = self.log_y_and_jacobian(theta, log_x)
        y = namespace(log_y).exp(log_y)
        return y, y[..., None, :] * jacobian

    def separable(self, log_x: Array, y: Array, weight: Array) -> Separable | None:
        """The starting problem in normalised units, or None to scan the domain instead."""
        return None

    def starts(self, log_x: np.ndarray, y: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray | None:
        """Starts (K, p), at most `count`, of a curve in normalised units; None if the form has none.

        `log_x` is (N,) or (N, k), y and weight are (N,), all of NumPy.
        """
        return None

    @property
    def has_starts(self) -> bool:
        """Whether the form gives `starts`."""
        return type(self).starts is not Form.starts

    def assemble(self, outer: Array, positions: Array, shapes: Array, beta: Array) -> Array:
        """Coordinates (..., p) from outer nodes (...,) or (..., k) and linear solutions (..., q + picks).

        `positions` and `shapes` of what was picked are (..., picks).
        """
        raise TypeError(f"form {self.name!r} gives `separable` but no `assemble`")

    def from_working(self, working: Array) -> Array:
        """Coordinates (..., p) from those in which the solver walks, where log x of the last point is 0.

        A form may choose others than its own, in which the valleys of the cost are straighter. Then it gives
        `to_working` and `walked`, too.
        """
        return working

    def to_working(self, theta: Array) -> Array:
        """The inverse of `from_working`."""
        return theta

    def walked(self, working: Array, log_x: Array, misfit: Misfit) -> tuple[Array, Array] | None:
        """What `misfit` makes of y (..., N), and its derivatives by the solver's coordinates (..., p, N).

        None from a form that has no other coordinates for the solver than its own.
        """
        return None

    def working_box(self, working: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Bounds in the solver's coordinates, at `working`, from those of the form's own."""
        return lower, upper

    def with_breaks(self, count: int) -> Form | None:
        """The form with another number of breaks; None if it has none of which the number may be chosen."""
        return None

    def mirrored(self) -> Form | None:
        """The form that rises to its limit where this one falls to it; None if there is none."""
        return None

    @property
    def chained(self) -> frozenset[str]:
        """Names of the parameters of breaks, whose order is the form's own as long as none is constrained."""
        return frozenset()

    def canonical_order(self, theta: np.ndarray) -> np.ndarray:
        """Indices (..., p) that put the coordinates of laws in the order in which they are reported."""
        return np.broadcast_to(np.arange(theta.shape[-1]), theta.shape)

    def bent_alike(
        self, before: np.ndarray, after: np.ndarray, moved: np.ndarray, free: np.ndarray
    ) -> np.ndarray:
        """Laws `after` (B, p), of each of which one coordinate (B,) was moved, with others made to follow it.

        Only those that are free (p,) may. They are starts of refits in which the moved one is held.
        """
        return after

    def rescaled(self, theta: np.ndarray, log_s: Any, log_t: Any) -> np.ndarray:
        """What `rescale` gives, as an array of NumPy whatever library the form is written with."""
        return np.array(_runnable(self).rescale(theta, log_s, log_t))

    def stays_positive(
        self, theta: np.ndarray, first: float | np.ndarray, last: float | np.ndarray
    ) -> np.ndarray:
        """Whether laws (..., p) are positive from log x = first to AHEAD times beyond log x = last (...,)."""
        return np.ones(theta.shape[:-1], bool)

    # --- for its users ----------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in the order of the coordinates."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def total_breaks(self) -> int:
        """The number of breaks, of whatever kind."""
        return self.n_breaks

    def seen(self, x: np.ndarray) -> np.ndarray:
        """What the form sees of inputs (N,) or (N, k): logarithms, or of a linear scale the values."""
        return seen_by_form(self.inputs, x)

    def free_units(self, log_s: np.ndarray) -> np.ndarray:
        """Logarithms of units (...,) or (..., k), 0 for inputs of one unit or on a linear scale."""
        free = np.array([entry.any_unit and entry.is_log for entry in self.inputs])
        return np.where(free if len(free) > 1 else free[0], log_s, 0.0)

    @property
    def label(self) -> str:
        """A short name for tables and legends."""
        return self.name

    def spec(self) -> dict[str, Any]:
        """The arguments that `bnsl.get_form` needs to make this form again."""
        return {"form": self.name}

    def to_params(self, theta: ArrayLike) -> dict[str, float]:
        """Named parameter values of one coordinate vector (p,)."""
        values = np.asarray(theta, dtype=float)
        return {q.name: float(q.values(v)) for q, v in zip(self.parameters, values, strict=True)}

    def from_params(self, params: Mapping[str, float]) -> np.ndarray:
        """Coordinates (p,) of named parameter values.

        Raises InputError for a missing, unknown or impossible one.
        """
        if unknown := [name for name in params if name not in self.names]:
            raise InputError(
                f"params: form {self.label!r} has no parameter {unknown[0]!r}; it has "
                f"{', '.join(self.names)}" + suggest(unknown[0], self.names)
            )
        if missing := [name for name in self.names if name not in params]:
            raise InputError(f"params: form {self.label!r} also needs {', '.join(missing)}")
        return np.array([self.coordinate(q, params[q.name], "params") for q in self.parameters])

    def coordinate(self, parameter: Parameter, value: float, argument: str) -> float:
        """The coordinate of one parameter value, after checking that the value is possible."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InputError(f"{argument}[{parameter.name!r}] = {shown(value)} is not a number") from None
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
        points, shape = usable_inputs(x, self.inputs)
        with np.errstate(all="ignore"):
            values = np.asarray(_runnable(self).y(theta, self.seen(points)))
        return values.reshape(theta.shape[:-1] + shape)

    def slope(self, params: Mapping[str, float] | ArrayLike, x: ArrayLike) -> np.ndarray:
        """The local log-log slope d log y / d log x at x; for k inputs, one slope an input.

        By an input on a linear scale, d log y / d x.

        Returns an array of the shape of x. It is negative where y falls.
        """
        theta = self.from_params(params) if isinstance(params, Mapping) else np.asarray(params, float)
        points, shape = usable_inputs(x, self.inputs)
        with np.errstate(all="ignore"):
            slopes = _runnable(self).log_slope(theta, self.seen(points))  # (N, k)
        return slopes.reshape(shape + ((len(self.inputs),) if len(self.inputs) > 1 else ()))

    def log_slope(self, theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
        """d log y / d log x (N, k) of one law theta (p,) at log_x (N,) or (N, k).

        Moving x is changing its unit: the slope is the derivative by the coordinates times that of `rescale`
        by the unit, which a step along the imaginary axis gives to the last digit.
        """
        if not all(entry.any_unit and entry.is_log for entry in self.inputs):
            return self._slope_by_differences(theta, log_x)
        jacobian = self.log_y_and_jacobian(theta, log_x)[1]
        count, step = len(self.inputs), 1e-30
        shifts = -1j * step * (np.eye(count) if count > 1 else np.ones(1))
        moves = [np.imag(self.rescale(theta, shift, 0.0)) / step for shift in shifts]
        return np.stack([move @ jacobian for move in moves], axis=-1)

    def _slope_by_differences(self, theta: np.ndarray, log_x: np.ndarray) -> np.ndarray:
        """As `log_slope`, by central differences of fourth order, where an input has one unit only."""
        h, weights = 1e-3, {1: 8.0, -1: -8.0, 2: -1.0, -2: 1.0}
        slopes = [
            sum(w * self.log_y(theta, log_x + k * move) for k, w in weights.items()) / (12.0 * h)
            for move in h * np.eye(len(self.inputs))
        ]
        return np.stack(slopes, axis=-1)


def _runnable(form: Form) -> Form:
    from bnsl.forms.autodiff import runnable

    return runnable(form)


def _range_text(parameter: Parameter) -> str:
    strict = "" if parameter.log else "="
    if np.isinf(parameter.upper):
        return "" if np.isinf(parameter.lower) else f">{strict} {parameter.lower:g}"
    if np.isinf(parameter.lower):
        return f"<{strict} {parameter.upper:g}"
    return f"from {parameter.lower:g} to {parameter.upper:g}"
