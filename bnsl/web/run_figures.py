"""Figures of runs under schedules, and of continual pre-training, for the page in a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bnsl._base.palette import DASHES, FITTED, FORECAST, FORMS, LAW, MARKERS, SOLID, Shade, Style, tint
from bnsl.plots.places import risen, steps
from bnsl.runs.continual import ContinualResult
from bnsl.runs.result import RunsResult
from bnsl.runs.run import OLD
from bnsl.schedules.schedule import Schedule
from bnsl.web.drawing import INK, Axis, Drawing, Figure

SAMPLES = 240  # steps at which schedules and laws are drawn, besides those where a schedule turns
COLOURS = (LAW, FORECAST, *FORMS[:4])
LAWS = tint(0.6, FITTED)  # of fitted runs, and what was before
POINTS = tint(0.45, FITTED)


def schedules_figure(fitted: Mapping[str, Schedule], others: Mapping[str, Schedule]) -> Figure:
    """The rates of the fitted runs, each schedule once, and of other schedules."""
    draw = Drawing()
    known: dict[str, Schedule] = {}
    for name, one in fitted.items():
        if one not in known.values():
            known[name] = one
    styled = [(*item, _style(i, tint(0.55, FITTED))) for i, item in enumerate(known.items())]
    styled += [(*item, _style(i)) for i, item in enumerate(others.items())]
    for name, one, style in styled:
        step = steps(one, one.steps, SAMPLES)
        draw.line(name, step, one.at(step), style)
    every = [*known.values(), *others.values()]
    y = Axis.linear("learning rate", 0.0, 1.05 * max(one.peak for one in every))
    return draw.figure(_step_axis(max(one.steps for one in every)), y, hovermode="x unified")


def losses_figure(result: RunsResult, others: Mapping[str, Schedule], level: float) -> Figure:
    """The fitted points with the law on them, and predictions with their intervals."""
    draw = Drawing()
    at = {name: risen(one, one.steps, SAMPLES) for name, one in others.items()}
    for i, (name, one) in enumerate(others.items()):
        ends = result.interval(one, at[name], level)
        draw.band(f"{name}, {level:.0%} interval", at[name], *ends, tint(0.18, _style(i).colour))
    late = [_late(run.loss) for run in result.runs]
    for i, (name, one) in enumerate(others.items()):
        law = np.asarray(result.predict(one, at[name]))
        draw.line(name, at[name], law, _style(i))
        late.append(_late(law))
    for i, run in enumerate(result.runs):
        name = run.name or f"run {i}"
        hover, look = "%{fullData.name}: %{y:.5g}<extra></extra>", {"color": POINTS, "size": 4}
        measured = (run.step + run.begins).tolist()
        draw.trace(name, measured, run.loss, "markers", marker=look, hovertemplate=hover)
        draw.switch(name, "circle", POINTS)
        step = risen(run.whole, run.begins + int(run.step[-1]), SAMPLES)
        draw.line(f"{name}, law", step, np.asarray(result.predict(run.whole, step)), _style(0, LAWS))
    last = max([one.steps for one in others.values()] + [result.horizon])
    return draw.figure(_step_axis(last), _roomy_axis("loss", late), hovermode="x unified")


def continued_figure(result: ContinualResult) -> Figure:
    """The measured losses of the continued runs: on old data in one colour, on new data in the other."""
    draw = Drawing()
    for i, name in enumerate(dict.fromkeys(run.name for run in result.runs)):
        first = len(draw.data)
        for run in (run for run in result.runs if run.name == name):
            kept, style = run.step > 0, _style(i, COLOURS[0 if run.measured_on == OLD else 1])
            hover = "%{fullData.name}: %{y:.4g}<extra></extra>"
            text = f"{name}, {run.measured_on} data"
            draw.stroke(text, run.step[kept], run.loss[kept], style.colour, style.dash, hovertemplate=hover)
        draw.switch(name or "runs", "line", INK, _style(i).dash.svg, since=first)
    y = _roomy_axis("loss", [_late(run.loss) for run in result.runs])
    return draw.figure(_step_axis(result.steps, "step of the continued run"), y, hovermode="x unified")


def front_figure(result: ContinualResult, replay: Sequence[float]) -> Figure:
    """The loss on old data against that on new data, one line per peak."""
    draw, table, before = Drawing(), result.front(replay), result.pretraining.final
    hover = "%{customdata}: new %{x:.4g}, old %{y:.4g}<extra>%{fullData.name}</extra>"
    for i, (peak, rows) in enumerate(table.groupby("peak")):
        shares, style = [f"{share:.3g}" for share in rows["replay"]], _style(i)
        draw.line(f"peak {peak:g}", rows["new"], rows["old"], style)
        draw.data[-1] |= {
            "mode": "lines+markers+text",
            "text": shares if i == 0 else [],
            "textposition": "top right",
            "cliponaxis": False,
            "customdata": [f"replay {share}" for share in shares],
            "hovertemplate": hover,
        }
    low, high = float(table["new"].min()), float(table["new"].max())
    room = 0.06 * max(high - low, 1e-3)
    ends = np.array([low - room, high + room])
    draw.line("old data before", ends, np.full(2, before), Style(LAWS, DASHES[2], MARKERS[0]))
    y = _roomy_axis("final loss on old data", [table["old"].to_numpy(), np.array([before])])
    return draw.figure(Axis.linear("final loss on new data", *ends), y)


def _style(number: int, colour: Shade | None = None) -> Style:
    """The first line is solid, the others are dashed."""
    dash = SOLID if number == 0 else DASHES[(number - 1) % len(DASHES)]
    return Style(colour or COLOURS[number % len(COLOURS)], dash, MARKERS[0])


def _late(loss: np.ndarray) -> np.ndarray:
    """The losses that a figure has room for: without the steep begin."""
    return loss[len(loss) // 4 :]


def _roomy_axis(title: str, parts: Sequence[np.ndarray]) -> Axis:
    values = np.concatenate(parts)
    room = 0.06 * max(float(np.ptp(values)), 1e-6)
    return Axis.linear(title, values.min() - room, values.max() + room)


def _step_axis(last: float, title: str = "step") -> Axis:
    """Steps from 0 on, or from a hundredth of the last on a log axis."""
    log = Axis.positive(title, max(last / 100, 1e-9), last).ranges["log"]
    return Axis(title, "linear", {"linear": [-0.01 * last, 1.02 * last], "log": log})
