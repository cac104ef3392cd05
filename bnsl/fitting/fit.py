"""`fit`: from a curve to a FitResult."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_number, check_choice, check_mapping
from bnsl._base.display import FitWarning
from bnsl.curves.curve import WIDEST, Curve, check_curve
from bnsl.curves.data import Data, as_curve, named_inputs
from bnsl.curves.pooling import table_notes
from bnsl.evidence.breaks import MOST, Weighed, chosen, points_needed, weigh_breaks
from bnsl.fitting.constraints import Constraints, check_constraints, fewest_breaks, orientations
from bnsl.fitting.inside import kept_inside
from bnsl.fitting.linear_breaks import MOST as MOST_ON_Y
from bnsl.fitting.linear_breaks import measure_of, weighable, weighed_by_bic
from bnsl.fitting.notes import data_notes
from bnsl.fitting.orientation import clearly_better, other_wanted, promising
from bnsl.fitting.outcome import result_of
from bnsl.fitting.result import FitResult, Status
from bnsl.fitting.setup import BACKENDS, Setup, set_up, solve
from bnsl.fitting.text import with_verdict
from bnsl.forms.broken import BNSL
from bnsl.forms.form import Form
from bnsl.forms.registry import get_form, given_breaks
from bnsl.solver import losses
from bnsl.solver.effort import EXACT_STEPS, POLISH

# Of several inputs, laws of up to so many breaks are compared, given SPARE points more than parameters.
MOST_HYPERBREAKS, SPARE = 2, 4
SEVERAL = 2  # From so many breaks on, laws are sought next to those that the evidence finds likely.
OUTLYING = 6.0  # A robust loss sees an outlier from so many standard deviations on, by the median residual.

Near = tuple[Form, np.ndarray]  # a form, and coordinates (K, p) of its laws in the units of the curve


class Options(NamedTuple):
    """What `fit` is told besides the curve and the form."""

    loss: str = "log"
    robust: str | None = None
    robust_scale: float | None = None
    fixed: Mapping[str, float] = {}
    bounds: Mapping[str, tuple[float | None, float | None]] = {}
    backend: str = "auto"


@np.errstate(all="ignore")  # a caller's settings are for the caller's arithmetic
def fit(
    *data: Data,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    inputs: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    form: str | Form = "bnsl",
    n_breaks: int | str | None = None,
    loss: str = "log",
    robust: str | None = None,
    robust_scale: float | None = None,
    sigma: ArrayLike | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    backend: str = "auto",
    accuracy: str | None = None,
    resolution: float | None = None,
) -> FitResult:
    """Fit one law to a curve: `fit(x, y)`; the other arguments are options.

    Args:
        *data: x and y; or a Curve; or a table (pandas, Polars, a mapping of arrays) whose columns `x`, `y`
            and `sigma` name: `fit(frame, x="compute", y="loss")`. Series are joined by their index.
        x: positive inputs (N,), in any unit and order, or their column.
        y: measured values (N,), positive under the default loss, or their column.
        inputs: the columns of several inputs, in the order in which the form takes them ("chinchilla":
            parameters, tokens); of arrays, x is (N, k) and these are its columns' names.
        groups: the group of every row (N,), such as the run of a checkpoint, or its column; standard errors
            then come from the scatter between groups.
        form: "bnsl" (arXiv 2210.14891, equation 1), "m1" to "m4" (arXiv 2209.06640), another name of one of
            these, such as "power_law_offset" (see `bnsl.list_forms`), or a Form.
        n_breaks: exact number of breaks of a BNSL; if "auto" or not given, it is chosen by evidence, as
            `FitResult.selection` shows (by BIC among 0 to 2 breaks, if some y is not positive).
        loss: "log" (relative errors), "log1p" (as in the paper's released code) or "linear" (errors in the
            units of y, which may then be negative).
        robust: None (least squares), "huber" or "soft_l1", against outliers.
        robust_scale: residual, in the space of the loss (in units of sigma, if given), beyond which a point
            gets less weight; estimated from the residuals if not given.
        sigma: standard deviation of every y (N,), or one number for all, in the units of y; only ratios
            matter to the fit.
        fixed: parameters fixed at a value, such as {"a": 0.0}.
        bounds: (lower, upper) of parameters, None for no bound; {"b": (None, 0)} gives a law that rises to
            its limit.
        backend: "numpy", which "auto" means for one curve, or "jax", which compiles for some seconds first.
        accuracy: y is an accuracy, between 0 and 1 ("share") or in per cent ("percent"): the curve is its
            error, 1 - y or 1 - y / 100, and predictions stay between 0 and 1.
        resolution: step in which accuracies were measured, such as one over the number of test examples; 0
            and perfect accuracies are moved by half of it.

    Returns:
        A FitResult, whose status and warnings say if the fit went badly.

    Raises:
        InputError: (a ValueError) input that cannot be fitted, before any work.
    """
    n_breaks = given_breaks(n_breaks)
    x, inputs = named_inputs(data, x, inputs)
    wanted = get_form(form, n_breaks, inputs=inputs)
    check_choice(loss, "loss", losses.LOSSES)
    check_robust(robust, robust_scale)
    check_choice(backend, "backend", BACKENDS)
    fixed, bounds = check_mapping(fixed, "fixed"), check_mapping(bounds, "bounds")
    more: dict[str, Any] = {"groups": groups, "accuracy": accuracy, "resolution": resolution}
    curve = as_curve(data, x, y, sigma, axes=wanted.inputs, labels=inputs, **more)
    check_curve(curve, loss)
    options = Options(loss, robust, robust_scale, fixed, bounds, backend)
    choose = n_breaks is None and isinstance(form, str) and wanted.with_breaks(0) is not None
    best = _with_breaks_chosen(curve, wanted, options) if choose else _fitted(curve, wanted, options)
    notes = table_notes("fit_many", data, x, y, sigma, groups)
    return replace(best, warnings=(*best.warnings, *notes)) if notes else best


def _with_breaks_chosen(curve: Curve, wanted: Form, options: Options) -> FitResult:
    """The fit with the likeliest number of breaks, by evidence, or by BIC where y has no logarithm."""
    asked = fewest_breaks(options.fixed, options.bounds)
    if curve.inputs > 1:
        fewest = min(asked, MOST_HYPERBREAKS)
        forms = [form for n in range(fewest, MOST_HYPERBREAKS + 1) if (form := wanted.with_breaks(n))]
        most = len(curve) - SPARE  # parameters
        return _by_bic(curve, [forms[0], *(form for form in forms[1:] if len(form.names) <= most)], options)
    fewest = min(asked, MOST)
    for oriented in orientations(BNSL(max(fewest, 1)), curve.climbs, options.fixed, options.bounds):
        check_constraints(oriented, options.loss, options.fixed, options.bounds, BNSL.name)
    if not weighable(curve):
        every = range(fewest, max(MOST_ON_Y, fewest) + 1)
        possible = [BNSL(n) for n in every if n == fewest or len(curve) >= points_needed(n)]
        best = _by_bic(curve, possible, options)
        return replace(best, warnings=(_not_weighed(curve), *best.warnings))
    clean = curve if options.robust is None else _without_outliers(curve, options)
    weighed = weigh_breaks(clean, fewest)
    return _fitted(curve, BNSL(chosen(weighed.candidates)), options, weighed)


def fit_weighed(
    curve: Curve, weighed: Weighed, *, loss: str = "log", near: tuple[BNSL, np.ndarray] | None = None
) -> FitResult:
    """What `fit` gives of a curve whose numbers of breaks are weighed already.

    `near` is a form of the number that was chosen, and coordinates (K, p) of its least-squares laws, if these
    are known but for their last digits.
    """
    return _fitted(curve, BNSL(chosen(weighed.candidates)), Options(loss), weighed, near)


# Values of 1e300 beside 1e-300 overflow on the way to a covariance, which then is not known.
@np.errstate(all="ignore")
def _fitted(
    curve: Curve, wanted: Form, options: Options, weighed: Weighed | None = None, near: Near | None = None
) -> FitResult:
    """The fit of a form to a curve, once the number of breaks is known, or even laws `near` it are."""
    _check_possible(curve, wanted, options)
    ways = orientations(wanted, curve.climbs, options.fixed, options.bounds)
    checked = [(way, check_constraints(way, options.loss, options.fixed, options.bounds)) for way in ways]

    def refit(form: Form, laws: np.ndarray, held: Mapping[str, float], steps: int = EXACT_STEPS) -> FitResult:
        constraints = check_constraints(form, options.loss, held, None)
        return _solved(curve, _ready(curve, form, constraints, options), constraints, options, laws, steps)

    if near is not None and near[0].n_breaks < SEVERAL:  # the other orientation was looked at, too
        best = refit(*near, {}, POLISH)
    else:
        best = _best_way(curve, checked, options, weighed, near)
    if curve.inputs > 1 and best.status is not Status.FAILED:
        best = replace(best, warnings=(*best.warnings, *data_notes(best)))
    if weighed is None:
        return best
    if not (options.fixed or options.bounds or options.loss == "linear"):
        best = kept_inside(best, weighed, refit)
    said = with_verdict(best.warnings, weighed.candidates, best.n_breaks)
    return replace(best, candidates=weighed.candidates, warnings=said)


def _check_possible(curve: Curve, wanted: Form, options: Options) -> None:
    """Raise InputError for a form of too many breaks, or of positive laws where no y is positive."""
    free = len(wanted.names) - len(options.fixed)
    if wanted.picks > len(curve) or (wanted.n_breaks > MOST and free > len(curve) + 3):
        raise InputError(
            f"n_breaks = {wanted.picks} is too many for {len(curve)} points: it takes {free} parameters; "
            f"use at most {max(len(curve) // 3 - 1, 0)}"
        )
    if not wanted.signed and curve.y.max() <= 0:
        raise InputError(f"y has no positive value, and form {wanted.label!r} is positive; use form='bnsl'")


def _best_way(
    curve: Curve,
    ways: Sequence[tuple[Form, Constraints]],
    options: Options,
    weighed: Weighed | None,
    near: Near | None,
) -> FitResult:
    """The better of the laws that fall and those that rise, which are sought where they may be better."""
    results: list[FitResult] = []
    for form, constraints in ways:
        doubtful = bool(results) and not curve.climbs
        if doubtful and not _other_wanted(results[0]):
            continue
        ready = _ready(curve, form, constraints, options)
        if doubtful and not _promising(ready, results[0]):
            continue
        known = near[1] if near is not None and form == near[0] else None
        laws = _likely_laws(weighed, form, options) if known is None else known
        steps = EXACT_STEPS if known is None else POLISH
        results.append(_solved(curve, ready, constraints, options, laws, steps))
    return _best(results)


def _ready(curve: Curve, form: Form, constraints: Constraints, options: Options) -> Setup:
    return set_up(form, constraints, options.loss, curve.x, curve.y, curve.sigma)


def _solved(
    curve: Curve,
    ready: Setup,
    constraints: Constraints,
    options: Options,
    laws: np.ndarray | None = None,
    steps: int = EXACT_STEPS,
) -> FitResult:
    """The fit of one form; next to laws (K, p), in the units of the curve, where these are given."""
    form = ready.method.form
    starts = None if laws is None else form.rescaled(laws, -ready.log_s, -ready.log_t)
    solution = solve(ready, options.robust, options.robust_scale, options.backend, starts, steps)
    return result_of(form, constraints, curve, *solution)


def _by_bic(curve: Curve, forms: Sequence[Form], options: Options) -> FitResult:
    """The fit with the number of breaks that its cost asks for, of forms that differ in that number alone."""
    results = [_fitted(curve, form, options) for form in forms]
    scale, measure = results[-1].robust_scale, measure_of(results)
    candidates = weighed_by_bic(results, [_cost(result, scale, measure) for result in results], measure)
    best = results[[form.total_breaks for form in forms].index(chosen(candidates))]
    said = with_verdict(best.warnings, candidates, best.n_breaks)
    return replace(best, candidates=candidates, warnings=said)


def _not_weighed(curve: Curve) -> FitWarning:
    """What to say where breaks are chosen on y itself."""
    why = "y is not positive throughout" if curve.y.min() <= 0 else f"y spans more than {WIDEST} decades"
    text = (
        f"{why}, so the number of breaks was chosen by BIC instead of evidence; the probabilities are rough, "
        "so try other numbers, too"
    )
    return FitWarning("breaks_not_weighed", text)


def _likely_laws(weighed: Weighed | None, form: Form, options: Options) -> np.ndarray | None:
    """The likely laws (K, p) of several breaks, in the units of the curve; None where there are none.

    Of several breaks the law of least cost may be one that nobody believes, such as two steep breaks that
    cancel. If their number was chosen for how likely they are, the law is that next to the likely ones.
    """
    constrained = options.fixed or options.bounds or options.loss == "linear"
    if weighed is None or form.n_breaks < SEVERAL or constrained:
        return None
    return weighed.likely(form)


def _without_outliers(curve: Curve, options: Options) -> Curve:
    """The points that a robust fit with one break leaves near the law; evidence knows of no outliers."""
    residuals = np.abs(_fitted(curve, BNSL(1), Options(options.loss, options.robust)).residuals)
    near = residuals <= OUTLYING * np.median(residuals) / 0.6745
    enough = len(np.unique(curve.x[near])) >= 3
    return curve.take(near) if enough else curve


def check_robust(robust: str | None, robust_scale: float | None) -> None:
    """Raise InputError unless a robust loss and its scale go together."""
    if robust is not None:
        check_choice(robust, "robust", losses.ROBUST)
    if robust_scale is not None:
        as_number(robust_scale, "robust_scale", lambda value: value > 0 and np.isfinite(value))
        if robust is None:
            raise InputError("robust_scale needs a robust loss; add robust='huber' or robust='soft_l1'")


def _other_wanted(result: FitResult) -> bool:
    """Whether the other orientation is worth a look, beside the best law of the first."""
    data = losses.transform(result.loss, result.curve.y, 1.0)
    seen = np.ones((1, len(data)), bool)
    return bool(other_wanted(np.log(result.curve.x)[None], data[None], result.residuals[None], seen)[0])


def _promising(ready: Setup, result: FitResult) -> bool:
    """Whether laws of the other orientation come near the cost of a result soon."""
    if result.status is Status.FAILED:
        return True
    problem = ready.problem._replace(scale=np.asarray((result.robust_scale or 1.0) / ready.measure))
    ready = ready._replace(method=ready.method._replace(robust=result.robust), problem=problem)
    return bool(promising(ready, _cost(result, result.robust_scale, float(ready.measure))).all())


def _best(results: list[FitResult]) -> FitResult:
    """Of laws of either orientation, which have as many parameters, that of least cost.

    A law of a positive quantity that crosses 0 ahead comes last.
    """
    first, scale, measure = results[0], results[0].robust_scale, measure_of(results)

    def badness(result: FitResult) -> tuple[bool, bool, float]:
        failed = result.status is Status.FAILED
        crosses = any(warning.code == "crosses_zero" for warning in result.warnings)
        return failed, crosses, np.inf if failed else _cost(result, scale, measure)

    best = min(results, key=badness)
    if first.curve.climbs or badness(first)[:2] > badness(best)[:2]:
        return best
    return best if clearly_better(badness(best)[2], badness(first)[2], len(first.curve)) else first


def _cost(result: FitResult, scale: float | None, measure: float) -> float:
    """What was minimised, in squares of `measure`, with the scale of a robust loss.

    `scale` and `measure` are in units of sigma, or of the space of the loss where none was given.
    """
    square = ((scale or measure) / measure) ** 2
    residual = result.residuals / result.sigma_of_residuals / measure
    return square * float(np.sum(losses.robust_cost_and_weight(result.robust, residual**2 / square)[0]))
