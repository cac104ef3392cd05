"""Everything that a report shows of runs with several inputs, computed once; its tables and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bnsl._base.display import quietly
from bnsl._base.lazy import pd
from bnsl.curves.curve import Curve
from bnsl.curves.data import input_rows
from bnsl.curves.metrics import rmsle
from bnsl.evaluation.extrapolation import parted
from bnsl.forecasting.forecast import forecast
from bnsl.forecasting.surface import SurfaceForecast
from bnsl.planning.costs import flops
from bnsl.web import words
from bnsl.web.analysis import AHEAD, LEVEL, Found
from bnsl.web.tables import LEAST_WEIGHT, TIMES, Table, csv_text
from bnsl.web.words import Fact, Note, number, percent

FACTOR = 6.0  # FLOP a parameter and token
BUDGETS = (1.0, 3.0, 10.0, 30.0, 100.0)  # times the compute of the dearest run
BELOW = 4  # budgets within the data, for the line in the figures
DRAWS = 400
DASH = "\N{EN DASH}"


@dataclass(frozen=True, eq=False, kw_only=True)
class SurfaceAnalysis(Found):
    """What was found of runs with several inputs."""

    forecast: SurfaceForecast
    factor: float = FACTOR

    @property
    def cost(self) -> str:
        """What a run costs, for sentences."""
        return f"a run costs {f' {TIMES} '.join([f'{self.factor:g}', *self.names])} FLOP"

    @cached_property
    def residuals(self) -> np.ndarray:
        """log of measured over predicted, of the fitted runs (N,)."""
        with quietly():
            return np.log(self.fitted.y / self.forecast.predict(self.fitted.x))

    @cached_property
    def allocation(self) -> pd.DataFrame | None:
        """The best inputs for budgets within the data and beyond, as `allocate` gives them; of two inputs."""
        if len(self.names) != 2:
            return None
        costs = self.factor * self.fitted.effort
        within = np.geomspace(costs.min(), costs.max(), BELOW + 1)[:-1]
        budgets = np.concatenate([within, costs.max() * np.array(BUDGETS)])
        options: dict[str, Any] = {"level": LEVEL, "draws": DRAWS}
        with quietly():
            return self.forecast.allocate(budgets, flops(self.factor), **options)

    @cached_property
    def errors(self) -> dict[str, float]:
        """The error of every averaged law on the held-out runs, by its label; none without such runs."""
        held, members = self.held_out, self.forecast.members
        if held is None:
            return {}
        with quietly():
            return {one.label: rmsle(one.result.predict(held.x), held.y)[0] for one in members}


def analyse_surface(
    curve: Curve, rule: dict[str, Any], predict: Any = (), factor: float = FACTOR
) -> SurfaceAnalysis:
    """Forecast runs of several inputs; `rule` is as for `analyse`.

    `predict` is where the forecast is tabulated: a table, or a list with a mapping or a row of inputs for
    each; by default the run of most compute, grown. A run costs `factor` times its inputs. Raises InputError
    as `bnsl.forecast` does.
    """
    factor = flops(factor).factor
    at = input_rows(predict, curve.input_names, curve.axes, "predict")
    fitted, held_out = parted(curve, rule)
    given = [dict(zip(curve.input_names, row, strict=True)) for row in at.tolist()]
    more: dict[str, Any] = {"predict": given} if given else {}
    more |= {} if factor == FACTOR else {"factor": factor}
    return SurfaceAnalysis(
        fitted=fitted,
        held_out=held_out,
        forecast=forecast(fitted),
        predict=at if len(at) else _rounded(fitted.beyond(AHEAD)),
        factor=factor,
        options={**rule, **more},
    )


def laws(found: SurfaceAnalysis) -> Table:
    """What the forecast averages, heaviest first."""
    cells: list[tuple[str, ...]] = []
    for member in found.forecast.members:
        if member.weight >= LEAST_WEIGHT:
            limit = member.result.params.get("E", float("nan"))
            errors = [percent(member.error), percent(member.result.rmsle)]
            errors += [percent(found.errors[member.label])] if found.errors else []
            cells.append((named(member.label), f"{100 * member.weight:.1f} %", *errors, number(limit)))
    head = ("law", "weight", "error beyond, in the back-test", "on fitted runs")
    return Table((*head, *(["on held-out runs"] if found.errors else []), "limit"), cells, left=(0,))


def allocation(found: SurfaceAnalysis) -> Table:
    """The best inputs for budgets from that of the largest run on."""
    table = found.allocation
    assert table is not None  # of two inputs
    first, second = found.names
    columns = [str(name) for name in table][1:13]  # inputs, ratio and y, each with the ends of its interval
    largest = found.factor * found.fitted.effort.max()
    cells = []
    for compute, *values in words.rows(table.iloc[BELOW:][["compute", *columns]]):
        triples = (values[i : i + 3] for i in range(0, len(values), 3))
        ends = (f"{_short(best)} ({_short(low)}{DASH}{_short(high)})" for best, low, high in triples)
        cells.append((f"{compute:.3g} ({number(compute / largest)} {TIMES})", *ends))
    names = (f"best {first}", f"best {second}", f"{second} over {first}", found.fitted.y_label)
    return Table(("FLOP (largest run)", *names), cells)


def allocation_csv(found: SurfaceAnalysis) -> str:
    """All budgets with every column, exact."""
    table = found.allocation
    return "" if table is None else csv_text([str(name) for name in table], words.rows(table))


def notes(found: SurfaceAnalysis) -> list[Note]:
    """What to know before relying on the page."""
    said = [("Forecast", note) for note in found.forecast.warnings]
    if found.allocation is not None:
        said += [("Best inputs", note) for note in found.allocation.attrs["warnings"]]
    return [*words.grouped([*said, *words.held_out_warnings(found)]), Note("Always", words.UNFORESEEN)]


def facts(found: SurfaceAnalysis) -> list[Fact]:
    """The few numbers that come first."""
    out, y, table = [], found.fitted.y_label, found.allocation
    if table is not None:
        row = table.iloc[BELOW + 2]
        names = [str(table.columns[i]) for i in (1, 4, 7, 10)]
        first, second, ratio, loss = names
        inner, outer = ([row[f"{name}_low"], row[f"{name}_high"]] for name in (first, loss))
        head = f"Forecast of {y} at 10 times the compute, spent optimally"
        out.append(Fact(head, number(row[loss]), words.between(*outer)))
        others = f"{_short(row[second])} {second}, ratio {_short(row[ratio])}"
        text = f"{words.between(*_rounded(inner))}; {others}"
        out.append(Fact(f"Best {first} there", _short(row[first]), text))
    else:
        *place, predicted, low, high = next(iter(found.predictions))
        at = ", ".join(f"{name} {number(x)}" for name, x in zip(found.names, place, strict=True))
        out.append(Fact(f"Forecast of {y} at {at}", number(predicted), words.between(low, high)))
    best = found.forecast.members[0]
    text = f"{best.weight:.0%} of the weight; back-test error {percent(best.error)}"
    out.append(Fact("Law with the largest weight", named(best.label), text))
    return [*out, *words.held_out_facts(found, "run")]


def named(law: str) -> str:
    """The label of a law for people."""
    return law.replace("_", " ").replace("bnsl", "BNSL")


_rounded = np.vectorize(lambda value: float(f"{value:.3g}"))


def _short(value: float) -> str:
    """Three digits, of numbers that come with their interval."""
    return number(float(_rounded(value)))
