"""Bootstrap of a fit: thousands of refits as one batched call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, check_choice, check_count, check_tails
from bnsl._base.display import PARAMETER_HEAD, FitWarning
from bnsl._base.lazy import pd
from bnsl._base.shown import Part, Shown, cells_part
from bnsl.curves.data import points_of
from bnsl.fitting.result import FitResult
from bnsl.solver import losses
from bnsl.uncertainty.refit import Solved, refit, solved

HEAD = (*PARAMETER_HEAD, "low 90 %", "high 90 %")
KINDS = ("residual", "wild", "pairs")


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(Shown):
    """Laws refitted to replicates of the data. Made by `bnsl.bootstrap`.

    Attributes:
        result: the fit that was repeated.
        kind: "residual", "wild" or "pairs".
        theta: coordinates of the refitted laws (R, p), in the user's units.
        converged: which of them converged (R,).
        scatter: residuals of the fit from which new measurements are drawn (N,), relative to sigma if that
            was given.
        warnings: what to know before relying on it, as (code, message).
    """

    result: FitResult
    kind: str
    theta: np.ndarray
    converged: np.ndarray
    scatter: np.ndarray
    warnings: tuple[FitWarning, ...]
    seed: int = field(default=0, repr=False)

    def __len__(self) -> int:
        return len(self.theta)

    @cached_property
    def params(self) -> pd.DataFrame:
        """One row per replicate, one column per parameter, in its own units."""
        parameters = self.result.form.parameters
        return pd.DataFrame({q.name: q.values(v) for q, v in zip(parameters, self.theta.T, strict=True)})

    @cached_property
    def stderr(self) -> Mapping[str, float]:
        """Standard error of every parameter, in its own units; NaN if not determined, 0 if fixed.

        From the middle two thirds of the replicates, so that a few that ran away do not decide it.
        """
        spread = 0.5 * np.diff(np.quantile(self.params.to_numpy(), [0.158655, 0.841345], axis=0), axis=0)[0]
        out = dict(zip(self.result.form.names, spread.tolist(), strict=True))
        return MappingProxyType(out | dict.fromkeys(self.result.undetermined, float("nan")))

    def param_interval(self, level: float = 0.9) -> Mapping[str, tuple[float, float]]:
        """Percentile interval (low, high) of every parameter; infinite ends if not determined.

        Args:
            level: probability inside, between 0 and 1.
        """
        ends = np.quantile(self.theta, check_tails(level), axis=0).T
        out = {}
        for parameter, pair in zip(self.result.form.parameters, ends, strict=True):
            lost = parameter.name in self.result.undetermined
            out[parameter.name] = parameter.ends((-np.inf, np.inf) if lost else pair)
        return MappingProxyType(out)

    def sample(self, x: ArrayLike, *, noise: bool = True) -> np.ndarray:
        """Values at x, (R,) + shape of x: new measurements, or without noise those of the laws.

        Raises InputError for x that is not positive.
        """
        points, shape = points_of(x, self.result.curve, self.result.form.inputs)
        law = self.result.curve.held(self.result.form.evaluate(self.theta, points))
        if noise:
            rng = np.random.default_rng([self.seed, 1])
            drawn = rng.choice(self.scatter, size=law.shape) * self.result.typical_sigma
            with np.errstate(all="ignore"):
                law = losses.back(self.result.loss, losses.transform(self.result.loss, law, 1.0) + drawn)
        return law.reshape(len(self.theta), *shape)

    def interval(
        self, x: ArrayLike, level: float = 0.9, *, noise: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Interval (lower, upper) for a new measurement at x, or without `noise` for the law itself.

        It assumes that the form is right, as `FitResult.interval` does. Arrays of the shape of x.
        """
        tails = check_tails(level)
        low, high = np.quantile(self.sample(x, noise=noise), tails, axis=0)
        return low, high

    def __repr__(self) -> str:
        return f"<Bootstrap of {self.result.form.label}: {len(self)} replicates, {self.kind}>"

    def _title(self) -> str:
        name = self.result.curve.name or "a curve"
        return f"{self.kind} bootstrap of {self.result.form.label} on {name}, {len(self)} replicates"

    def _parts(self) -> list[Part]:
        ends = self.param_interval(0.9)
        rows = [
            (n, f"{v:.7g}", f"{self.stderr[n]:.3g}", *(f"{end:.5g}" for end in ends[n]))
            for n, v in self.result.params.items()
        ]
        return [cells_part(HEAD, rows)]


def bootstrap(
    result: FitResult, replicates: int = 1000, *, kind: str = "residual", seed: int = 0
) -> Bootstrap:
    """Bootstrap: refit a law to replicates of its data, for standard errors and intervals.

    Every replicate is refined from the solution of the fit, all in one batched call.

    Args:
        result: what `bnsl.fit` returned.
        replicates: their number.
        kind: "residual" draws residuals with replacement, each over the root of one minus its leverage
            (Davison and Hinkley, 1997, section 6.3); "wild" keeps every residual at its point, over one minus
            its leverage, and flips signs at random, for noise that is uneven along x (Liu, 1988; Davidson
            and Flachaire, 2008); "pairs" draws points with replacement.
        seed: of the random numbers.

    Returns:
        A Bootstrap: `stderr`, `param_interval`, `interval`, and the replicates themselves.

    Raises:
        InputError: (a ValueError) a fit that failed or has no degree of freedom left, or an unknown kind.
    """
    count = check_count(replicates, "replicates", 2)
    check_choice(kind, "kind", KINDS)
    ready = solved(result)
    if ready.dof <= 0:
        raise InputError(
            f"result: {result.n_params} parameters for {len(result.curve)} points leave no residuals to draw "
            "from; fit fewer breaks or more points"
        )
    rng = np.random.default_rng([check_count(seed, "seed"), 0])
    residual, leverage = _residuals(result)
    modified = residual / np.sqrt(1.0 - leverage)
    modified = modified - modified.mean()
    if kind == "pairs":
        changes = _pairs(ready, rng.integers(0, len(residual), (count, len(residual))))
    elif kind == "residual":
        changes = _noisy(ready, rng.choice(modified, (count, len(residual))))
    else:
        signs = rng.choice([-1.0, 1.0], (count, len(residual)))
        changes = _noisy(ready, residual / (1.0 - leverage) * signs)
    theta, cost, converged = refit(ready, np.tile(ready.theta, (count, 1)), **changes)
    good = np.isfinite(cost)
    notes = _notes(result, good, converged)
    return Bootstrap(result, kind, ready.outward(theta[good]), converged[good], modified, notes, seed)


def _pairs(ready: Solved, drawn: np.ndarray) -> dict[str, Any]:
    """Arrays of the problem for points (R, N) drawn with replacement."""
    problem = ready.problem
    if ready.result.robust:
        # A point drawn twice costs twice, which a weight within a robust loss does not say.
        return {name: getattr(problem, name)[drawn] for name in ("log_x", "y", "weight")}
    often = np.stack([np.bincount(row, minlength=len(row)) for row in drawn])
    return {"weight": np.sqrt(often) * problem.weight}


def _noisy(ready: Solved, noise: np.ndarray) -> dict[str, Any]:
    """y of the problem with noise (R, N), in units of sigma, about the law."""
    result = ready.result
    with np.errstate(all="ignore"):
        center = losses.transform(result.loss, result.fitted, 1.0)
        y = losses.back(result.loss, center + noise * result.sigma_of_residuals)
    return {"y": ready.normalised(y)}


def _residuals(result: FitResult) -> tuple[np.ndarray, np.ndarray]:
    """Data minus law over sigma, and leverages (N,), those of points that fix a parameter alone below 1."""
    jacobian = losses.law_and_jacobian(
        result.form, result.loss, result.theta, result.form.seen(result.curve.x)
    )[1].T
    free = np.array([name not in result.fixed for name in result.form.names])
    columns = jacobian[:, free] / result.sigma_of_residuals[:, None]
    scale = np.abs(columns).max(axis=0)
    u, s, _ = np.linalg.svd(columns / np.where(scale > 0, scale, 1.0), full_matrices=False)
    leverage = np.sum(u[:, s > 1e-12 * s[0]] ** 2, axis=1)
    return -result.residuals / result.sigma_of_residuals, np.minimum(leverage, 0.99)


def _notes(result: FitResult, good: np.ndarray, converged: np.ndarray) -> tuple[FitWarning, ...]:
    notes = []
    if not good.all():
        text = f"{int((~good).sum())} of {len(good)} replicates could not be fitted and are left out"
        notes.append(FitWarning("replicates_failed", text))
    slow = int((good & ~converged).sum())
    if slow > 0.02 * len(good):
        text = f"{slow} of {len(good)} replicates did not converge; the intervals are rough"
        notes.append(FitWarning("replicates_not_converged", text))
    if result.undetermined:
        text = f"{', '.join(result.undetermined)}: not determined by the data; the intervals are infinite"
        notes.append(FitWarning("undetermined", text))
    return tuple(notes)
