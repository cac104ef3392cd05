"""The limit of predictability: how well given x and noise determine a law, by Fisher information.

With independent normal noise of standard deviation s on log y, the Fisher information of a law is
J^T J / s^2, J being the derivatives of log y by the law's coordinates. Its inverse bounds the covariance of
every unbiased estimate (Cramér-Rao), and least squares reaches it as the noise becomes small. So it says,
before a fit or a run, how well a break and a prediction can be known; arXiv 2210.14891, section 6, asks that
of a break that lies beyond the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.arrays import lengths
from bnsl._base.checks import (
    InputError,
    as_array,
    as_number,
    check_choice,
    check_mapping,
    check_names,
    is_number,
    reject,
    told,
)
from bnsl._base.display import PARAMETER_HEAD
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Shown, cells_part, frame_part
from bnsl.fitting.adequacy import ARITHMETIC, PLACED, VISIBLE, signals
from bnsl.fitting.covariance import covariance_root, in_other_units, undetermined
from bnsl.fitting.result import FitResult
from bnsl.forms.broken import BNSL, breaks_in
from bnsl.forms.form import Form
from bnsl.forms.inputs import check_values, usable_inputs
from bnsl.forms.registry import get_form
from bnsl.solver.losses import LOSSES, law_and_jacobian


@dataclass(frozen=True, eq=False, repr=False)
class Predictability(Shown):
    """How well measurements at `x` determine a law. Made by `bnsl.predictability`.

    Attributes:
        form, theta: the law; theta (p,) are the form's coordinates in the user's units.
        x: of the measurements, (N,) or (N, k).
        noise: standard deviation of log y at each (N,); of y under loss "linear".
        loss: the space in which noise is normal and least squares fit.
        covariance_root: R (p, p), with R R^T the least covariance of the coordinates.
        undetermined: names of parameters that are not determined at any noise level.
    """

    form: Form
    theta: np.ndarray
    x: np.ndarray
    noise: np.ndarray
    loss: str
    covariance_root: np.ndarray
    undetermined: tuple[str, ...]
    _units: tuple[np.ndarray, float] = field(repr=False)
    _root: np.ndarray = field(repr=False)  # in units in which x ends at 1
    _signals: np.ndarray = field(repr=False)

    @cached_property
    def params(self) -> Mapping[str, float]:
        """The law's parameters by name, read-only."""
        return MappingProxyType(self.form.to_params(self.theta))

    @cached_property
    def stderr(self) -> Mapping[str, float]:
        """The least standard error of every parameter, in its own units; inf if it is not determined."""
        units = {q.name: abs(self.params[q.name]) if q.log else 1.0 for q in self.form.parameters}
        return MappingProxyType({name: error * units[name] for name, error in self._errors.items()})

    @cached_property
    def _errors(self) -> Mapping[str, float]:
        """The least standard error of every coordinate; inf if it is not determined."""
        errors = dict(zip(self.form.names, lengths(self.covariance_root.T).tolist(), strict=True))
        return errors | dict.fromkeys(self.undetermined, np.inf)

    def prediction_sd(self, x: ArrayLike) -> np.ndarray:
        """Standard deviation of the fitted law's log y at x (of y under loss "linear"), of the shape of x.

        To first order; a value far above 1 only says that nothing is known there. Raises InputError for x
        that is not positive.
        """
        points, shape = usable_inputs(x, self.form.inputs)
        return lengths(self.prediction_root(points).T).reshape(shape)

    def prediction_root(self, points: np.ndarray) -> np.ndarray:
        """F (M, p), with F F^T the covariance of the fitted law's log y at points (M,)."""
        log_s, log_t = self._units
        theta = self.form.rescaled(self.theta, -log_s, -log_t)
        unit = float(np.exp(log_t))
        jacobian = law_and_jacobian(self.form, self.loss, theta, self.form.seen(points) - log_s, unit)[1]
        with np.errstate(over="ignore", invalid="ignore"):
            return jacobian.T @ self._root * (unit if self.loss == "linear" else 1.0)

    @cached_property
    def breaks(self) -> pd.DataFrame:
        """One row per break: how well it is determined.

        Columns: position; position_factor, the factor within which the position is known (one standard
        deviation, exp of that of log d); slope_change and its standard error; signal, the slope change in
        standard errors where position and width are given; visible, whether that is at least VISIBLE = 4;
        determined, whether it is visible and its position known to a factor of 2.
        """
        signals = np.asarray(self._signals, float)
        numbers = pd.RangeIndex(1, len(signals) + 1, name="break")
        place = np.array([self._errors[f"d{i}"] for i in numbers], float)
        with np.errstate(over="ignore"):
            factors = np.exp(place)
        return pd.DataFrame(
            {
                "position": [self.params[f"d{i}"] for i in numbers],
                "position_factor": factors,
                "slope_change": [-self.params[f"c{i}"] for i in numbers],
                "slope_change_stderr": [self.stderr[f"c{i}"] for i in numbers],
                "signal": signals,
                "visible": signals >= VISIBLE,
                "determined": (signals >= VISIBLE) & (place <= PLACED),
            },
            index=numbers,
        )

    def __repr__(self) -> str:
        lost = f", {', '.join(self.undetermined)} undetermined" if self.undetermined else ""
        return f"<Predictability of {self.form.label} from {len(self.x)} points{lost}>"

    def _title(self) -> str:
        noise = float(np.median(self.noise))
        return f"what {len(self.x)} points with noise {noise:.3g} determine of {self.form.label}"

    def _parts(self) -> list[Part]:
        rows = [(n, f"{v:.7g}", f"{self.stderr[n]:.3g}") for n, v in self.params.items()]
        return [cells_part(PARAMETER_HEAD, rows), frame_part(self.breaks, index=True)]


def predictability(
    law: FitResult | Mapping[str, float],
    x: ArrayLike | None = None,
    noise: ArrayLike | None = None,
    *,
    form: str | Form | None = None,
    loss: str | None = None,
    fixed: Sequence[str] | None = None,
) -> Predictability:
    """How well measurements at x would determine a law, its breaks and its predictions (Fisher information).

    Args:
        law: a FitResult, or parameters by name, such as {"a": 0.3, "b": 2.0, "c0": 0.1, "c1": 0.6,
            "d1": 1e3, "f1": 0.3}.
        x: positive inputs (N,); those of the fit if not given.
        noise: standard deviation of log y, one number or (N,); that of the fit's residuals if not given.
            Under loss "linear" it is that of y.
        form: of parameters given by name; a BNSL with their number of breaks if not given.
        loss: the space of the residuals; "log", or that of the fit, if not given.
        fixed: names of parameters that are known; those of the fit if not given.

    Returns:
        A Predictability: least standard errors, `prediction_sd(x)`, and the table `breaks`.

    Raises:
        InputError: (a ValueError) an impossible law, x or noise.
    """
    form, theta = as_law(law, form)
    if isinstance(law, FitResult):
        x = law.curve.x if x is None else x
        noise = law.noise if noise is None else noise
        loss = law.loss if loss is None else loss
        fixed = law.fixed if fixed is None else fixed
    if x is None or noise is None:
        raise InputError(f"{'x' if x is None else 'noise'} is missing; parameters by name do not include it")
    points = as_array(x, "x", columns=len(form.inputs))
    check_values(form.inputs, points)
    sd = as_noise(noise, len(points))
    check_choice("log" if loss is None else loss, "loss", LOSSES)
    return information(form, theta, points, sd, loss or "log", free_of(form, () if fixed is None else fixed))


def free_of(form: Form, fixed: Sequence[str]) -> np.ndarray:
    """Which coordinates (p,) are fitted where some are held by name; InputError for an unknown name."""
    for name in check_names(fixed, "fixed", "parameter names"):
        if name not in form.names:
            raise InputError(f"fixed: form {form.label!r} has no parameter {name!r}")
    return np.array([name not in fixed for name in form.names])


def information(
    form: Form, theta: np.ndarray, points: np.ndarray, sd: np.ndarray, loss: str, free: np.ndarray
) -> Predictability:
    """What points (N,) with noise sd (N,) determine of a law theta (p,), of which `free` (p,) is fitted."""
    log_x = form.seen(points)
    log_s = form.free_units(log_x.max(axis=0))
    if any(q.mixes and not f for q, f in zip(form.parameters, free, strict=True)):
        log_s = np.zeros_like(log_s)  # what is held would not stay so in other units
    level = np.abs(form.evaluate(theta, points))
    log_t = float(np.log(level.max())) if np.isfinite(level).all() and level.max() > 0 else 0.0
    near = form.rescaled(theta, -log_s, -log_t)
    unit = float(np.exp(log_t))
    jacobian = law_and_jacobian(form, loss, near, log_x - log_s, unit)[1].T
    scale = sd / unit if loss == "linear" else sd
    white = jacobian / scale[:, None]
    root, _ = covariance_root(white, 1.0, free)
    lost = undetermined(white, free, ARITHMETIC)
    outside = in_other_units(form, near, root, log_s, log_t)[1]
    outside[~free] = 0.0  # not a rounding of it
    return Predictability(
        form=form,
        theta=theta,
        x=points,
        noise=sd,
        loss=loss,
        covariance_root=outside,
        undetermined=tuple(np.array(form.names)[lost]),
        _units=(log_s, log_t),
        _root=root,
        _signals=signals(form, near, white, free),
    )


def as_law(law: FitResult | Mapping[str, float], form: str | Form | None = None) -> tuple[Form, np.ndarray]:
    """Form and coordinates (p,) of a FitResult or of parameters by name.

    Raises InputError where it is neither, or the parameters are not those of the form.
    """
    if isinstance(law, FitResult):
        if form is not None:
            raise InputError("form was given together with a FitResult, which has its own; leave it out")
        return law.form, law.theta
    if not isinstance(law, Mapping):
        raise InputError(f"{told('law', law)} must be a FitResult, or a mapping of parameter values")
    params = check_mapping(law, "law")
    if form is None:
        b = params.get("b", 1.0)
        form = BNSL(breaks_in(params), rising=is_number(b) and float(b) < 0)
    chosen = get_form(form)
    return chosen, chosen.from_params(params)


def as_noise(noise: ArrayLike, count: int) -> np.ndarray:
    """Standard deviations (count,) from as many, or from one number for all; InputError unless positive."""
    values = np.array([as_number(noise, "noise")]) if np.ndim(noise) == 0 else as_array(noise, "noise")
    reject(values, ~np.isfinite(values) | (values <= 0), "noise", "must be a positive standard deviation")
    if len(values) not in (1, count):
        raise InputError(f"noise has {len(values)} entries and x has {count}; they must have the same number")
    return np.broadcast_to(values, (count,)).copy()
