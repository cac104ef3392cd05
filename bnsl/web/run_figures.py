"""Figures of runs under schedules, and of continual pre-training, for the page in a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bnsl._base.palette import DASHES, FITTED, FORECAST, FORMS, LAW, MARKERS, SOLID, Style, tint
from bnsl.runs.continual import ContinualResult
from bnsl.runs.result import RunsResult
from bnsl.runs.run import OLD, Run
from bnsl.schedules.schedule import Schedule
from bnsl.web.drawing import INK, Drawing, Series, digits, label, layout_of, ranges_of
from bnsl.web.figures import Figure

SAMPLES = 240  # steps at which schedules and laws are drawn, besides those where a schedule turns
COLOURS = (LAW, FORECAST, *FORMS[:4])


def schedules_figure(fitted: Mapping[str, Schedule], others: Mapping[str, Schedule]) -> Figure:
    """The rates of the fitted runs, each schedule once, and of other schedules."""
    draw = Drawing()
    drawn: list[Schedule] = []
    for name, one in fitted.items():
        if one not in drawn:
            shade = tint(0.55, FITTED)
            style = Style(shade, SOLID if not drawn else DASHES[len(drawn) % len(DASHES)], MARKERS[0])
            step = _steps(one)
            draw.line(name, step, one.at(step), style, shown=True)
            drawn.append(one)
    for i, (name, one) in enumerate(others.items()):
        step = _steps(one)
        draw.line(name, step, one.at(step), _style(i), shown=True)
    every = [*drawn, *others.values()]
    return _figure(
        draw, "learning rate", max(s.steps for s in every), (0.0, 1.05 * max(s.peak for s in every))
    )


def losses_figure(result: RunsResult, others: Mapping[str, Schedule], level: float) -> Figure:
    """The fitted points with the law on them, and predictions with their intervals."""
    draw = Drawing()
    shown: list[np.ndarray] = []
    for i, (name, one) in enumerate(others.items()):
        step = _risen(one)
        shade = tint(0.18, COLOURS[i % len(COLOURS)])
        draw.band(f"{name}, {level:.0%} interval", step, *result.interval(one, step, level), shade)
    for i, (name, one) in enumerate(others.items()):
        step = _risen(one)
        shown.append(np.asarray(result.predict(one, step)))
        draw.line(name, step, shown[-1], _style(i), shown=True)
    for i, run in enumerate(result.runs):
        name = run.name or f"run {i}"
        _measured(draw, name, run)
        step = _risen(run.whole, run.begins + int(run.step[-1]))
        law = np.asarray(result.predict(run.whole, step))
        draw.line(f"{name}, law", step, law, Style(tint(0.6, FITTED), SOLID, MARKERS[0]), shown=True)
    late = _late(result.runs) + [line[len(line) // 4 :] for line in shown]
    last = max([s.steps for s in others.values()] + [result.horizon])
    return _figure(draw, "loss", last, _room(late))


def continued_figure(result: ContinualResult) -> Figure:
    """The measured losses of the continued runs: on old data in one colour, on new data in the other."""
    draw = Drawing()
    names = list(dict.fromkeys(run.name for run in result.runs))
    for i, name in enumerate(names):
        dash = SOLID if i == 0 else DASHES[(i - 1) % len(DASHES)]
        first = len(draw.data)
        for run in (run for run in result.runs if run.name == name):
            kept = run.step > 0
            style = Style(COLOURS[0 if run.measured_on == OLD else 1], dash, MARKERS[0])
            text = f"{name}, {run.measured_on} data"
            draw.line(text, run.step[kept], run.loss[kept], style, shown=True)
            draw.series.pop()
        swatch = {"kind": "line", "color": INK, "dash": dash.svg}
        traces = tuple(range(first, len(draw.data)))
        draw.series.append(Series(f"s{i}", name or "runs", traces, (), True, swatch))
    return _figure(draw, "loss", result.steps, _room(_late(result.runs)), "step of the continued run")


def front_figure(result: ContinualResult, replay: Sequence[float]) -> Figure:
    """The loss on old data against that on new data, one line per peak."""
    draw = Drawing()
    table = result.front(replay)
    for i, (peak, rows) in enumerate(table.groupby("peak")):
        draw.line(f"peak {peak:g}", rows["new"].to_numpy(), rows["old"].to_numpy(), _style(i), shown=True)
        texts = [f"replay {share:.3g}" for share in rows["replay"]]
        draw.data[-1] |= {
            "mode": "lines+markers+text",
            "text": [f"{share:.3g}" for share in rows["replay"]] if i == 0 else [],
            "textposition": "top right",
            "cliponaxis": False,
            "customdata": texts,
            "hovertemplate": "%{customdata}: new %{x:.4g}, old %{y:.4g}<extra>%{fullData.name}</extra>",
        }
    before = result.pretraining.final
    low, high = float(table["new"].min()), float(table["new"].max())
    room = 0.06 * max(high - low, 1e-3)
    ends = np.array([low - room, high + room])
    draw.line(
        "old data before",
        ends,
        np.full(2, before),
        Style(tint(0.6, FITTED), DASHES[2], MARKERS[0]),
        shown=True,
    )
    y = _room([table["old"].to_numpy(), np.array([before])])
    found = _figure(draw, "final loss on old data", high, y, "final loss on new data")
    found.layout["xaxis"]["range"] = found.ranges["x"]["linear"] = ends.tolist()
    found.layout["hovermode"] = "closest"
    return found


def _measured(draw: Drawing, name: str, run: Run) -> None:
    """The measured points of a run."""
    draw.data.append(
        {
            "type": "scatter",
            "name": label(name),
            "x": (run.step + run.begins).tolist(),
            "y": digits(run.loss),
            "mode": "markers",
            "marker": {"color": tint(0.45, FITTED), "size": 4},
            "hovertemplate": "%{fullData.name}: %{y:.5g}<extra></extra>",
        }
    )
    draw.switch(name, {"kind": "circle", "color": tint(0.45, FITTED)})


def _style(number: int) -> Style:
    dash = SOLID if number == 0 else DASHES[(number - 1) % len(DASHES)]
    return Style(COLOURS[number % len(COLOURS)], dash, MARKERS[0])


def _steps(schedule: Schedule, last: int | None = None) -> np.ndarray:
    end = schedule.steps if last is None else last
    corners = schedule.corners
    places = np.concatenate([np.linspace(0, end, SAMPLES).round(), corners, corners - 1, [end]]).astype(int)
    return np.unique(places[(places >= 0) & (places <= end)])


def _risen(schedule: Schedule, last: int | None = None) -> np.ndarray:
    """Steps at which a law is drawn: after the first rise, where it does not hold."""
    step = _steps(schedule, last)
    first = max(int(np.argmax(schedule.rates())), step[-1] // 100, 1)
    return step[step >= min(first, int(step[-1]))]


def _late(runs: Sequence[Run]) -> list[np.ndarray]:
    """The losses that a figure has room for: without the steep begin."""
    return [run.loss[len(run.loss) // 4 :] for run in runs]


def _room(parts: Sequence[np.ndarray]) -> tuple[float, float]:
    values = np.concatenate(parts)
    room = 0.06 * max(float(np.ptp(values)), 1e-6)
    return float(values.min()) - room, float(values.max()) + room


def _figure(draw: Drawing, text: str, last: float, y: tuple[float, float], x_text: str = "step") -> Figure:
    ranges = {"x": ranges_of(max(last / 100, 1e-9), last), "y": {"linear": list(y), "log": [0.0, 1.0]}}
    ranges["x"]["linear"] = [-0.01 * last, 1.02 * last]
    layout = layout_of(x_text, text)
    layout["xaxis"] |= {"type": "linear", "range": ranges["x"]["linear"]}
    layout["yaxis"] |= {"type": "linear", "range": ranges["y"]["linear"]}
    return Figure(draw.data, layout, tuple(draw.series), ranges)
