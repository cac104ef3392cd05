"""Warnings of forecasts: few points, outliers, and what no law explains."""

from __future__ import annotations

import numpy as np

from bnsl._base.display import FitWarning
from bnsl.curves.curve import Curve
from bnsl.curves.divergence import diverged_after, written
from bnsl.curves.scale import Scale, grows
from bnsl.evidence.points import CLEAN, noise_of
from bnsl.evidence.predict import Places
from bnsl.fitting.notes import CONSTANT, FEW
from bnsl.fitting.outliers import isolated
from bnsl.forecasting.average import Average, law_mean

SHOWN = 3  # outliers that are named
# What one in a hundred curves of the learning set exceeds: noise on log y, range of log y, and its slope at
# the end, downwards and upwards.
NOISY, LONG, STEEP, CLIMBING = 0.5, 7.5, 3.7, 0.8
UNCOUNTED = 1e4  # times a scatter that is all but 0, as of points that are repeated: no number to tell
MISFIT = 3.0  # times the scatter of neighbouring points: laws that leave more miss something


def forecast_notes(
    curve: Curve, scale: Scale, parts: tuple[Average, ...], left_out: np.ndarray
) -> tuple[FitWarning, ...]:
    """Warnings of a forecast of a curve, from its averages; `left_out` (N,) are its points without weight."""
    notes = [CONSTANT] if np.ptp(curve.y) == 0 else []
    positive = curve.y.min() > 0
    if not scale.logarithmic and (not positive or grows(curve)):  # or it is what the user asked for
        why = "grows" if positive else "is not positive throughout"
        text = f"{curve.y_label} {why}, so the forecast is made on a linear scale"
        notes.append(FitWarning("linear_scale", text))
    last = diverged_after(curve.x, curve.y)
    if last is not None:
        place = written(last)
        text = (
            f"the end of the run looks diverged: behind {curve.x_label} = {place} {curve.y_label} climbs "
            f"to {curve.y[-1]:.4g}, and no law of these points tells what a run that goes well would reach; "
            f"fit the points up to there (train_until={place})"
        )
        notes.append(FitWarning("diverged", text))
    distinct = len(np.unique(curve.x))
    if distinct < FEW:
        text = f"only {distinct} distinct x: the forecast relies mostly on the prior"
        notes.append(FitWarning("few_points", text))
    off = isolated(np.log(curve.x), scale.values(curve.y)) & ~left_out
    if left_out.any():
        notes.append(FitWarning("outliers", f"left out as outliers: {_named(curve, left_out)}"))
    elif off.any():
        text = (
            f"{_named(curve, off)}: far from the neighbouring points; the forecast treats this as noise, so "
            "its intervals are wide; correct or drop wrong points, or leave them out with robust='huber'"
        )
        notes.append(FitWarning("outliers", text))
    strange = _strange(parts) if scale.logarithmic else ""
    if strange:
        text = f"{strange}: very few curves of the learning set are like that, so intervals may be wrong"
        notes.append(FitWarning("unusual", text))
    size = _missed(parts, off)
    if size > MISFIT:
        much = f"{size:.2g}" if size < UNCOUNTED else "many"
        text = (
            f"the averaged laws miss a feature of the data: their residuals are {much} times the scatter "
            "of neighbouring points, and are treated as noise"
        )
        notes.append(FitWarning("misfit", text))
    return tuple(notes)


def _strange(parts: tuple[Average, ...]) -> str:
    """What is unlike the curves of the learning set, or nothing."""
    points = parts[0].state.points
    if len(points.u) < FEW:
        return ""
    last = points.u >= points.u[-max(len(points.u) // 3, 3)]
    centred = points.u[last] - points.u[last].mean()
    slope = float(centred @ points.log_y[last] / max(float(centred @ centred), 1e-300))
    if noise_of(points.u, points.log_y) > NOISY:
        return "neighbouring points differ by more than half of their value"
    if np.ptp(points.log_y) > LONG:
        return f"y runs over a factor of {np.exp(np.ptp(points.log_y)):.2g}"
    if not -STEEP < slope < CLIMBING:
        return f"y {'falls' if slope < 0 else 'climbs'} as x^{slope:.2g} at its end"
    return ""


def _named(curve: Curve, which: np.ndarray) -> str:
    """'the point at x = 10', or 'the 5 points at x = 10, 20, 30, ...'."""
    places = [f"{x:.4g}" for x in curve.x[which]]
    if len(places) == 1:
        return f"the point at x = {places[0]}"
    more = ", ..." if len(places) > SHOWN else ""
    return f"the {len(places)} points at x = {', '.join(places[:SHOWN])}{more}"


def _missed(parts: tuple[Average, ...], off: np.ndarray) -> float:
    """What the laws leave of the points, in units of the scatter of neighbours; 0 for next to nothing."""
    parts = tuple(part for part in parts if not part.tail)
    points = parts[0].state.points
    if len(points.u) < FEW or off.any():
        return 0.0
    scatter = noise_of(points.u, points.log_y)
    with np.errstate(all="ignore"):
        fits = [law.form.log_y(law.theta, points.u) for p in parts for law in p.refined if law is not None]
    left = [np.sqrt(np.mean((points.log_y - fit) ** 2)) for fit in fits]
    if left and min(left) <= max(MISFIT * scatter, CLEAN):  # one refined law is enough, and quickly seen
        return 0.0
    zero = np.zeros((len(points.unit), len(points.u), len(points.u)))
    mean = law_mean(parts, Places(points.u, zero, np.zeros(zero.shape[:2])))
    rest = float(np.sqrt(np.mean((points.log_y + points.origin[1] - mean) ** 2)))
    return rest / max(scatter, 1e-300) if rest > CLEAN else 0.0
