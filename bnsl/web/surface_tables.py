"""Tables and sentences of a report on runs with several inputs."""

from __future__ import annotations

import numpy as np

from bnsl._base.display import FitWarning
from bnsl.curves.metrics import rmsle
from bnsl.evaluation.extrapolation import held_out_notes
from bnsl.web.analysis import LEVEL
from bnsl.web.surfaces import BELOW, FACTOR, SurfaceAnalysis
from bnsl.web.tables import LEAST_WEIGHT, Table, csv_text, signed
from bnsl.web.words import PLAIN, UNFORESEEN, Fact, Note, inside, number, percent, rows

TIMES, DASH = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"


def predictions(found: SurfaceAnalysis) -> Table:
    """Forecasts with their intervals."""
    head = (*found.names, f"forecast of {found.fitted.y_label}", f"low {LEVEL:.0%}", f"high {LEVEL:.0%}")
    return Table(head, [tuple(map(number, row)) for row in rows(found.predictions)])


def checked(found: SurfaceAnalysis) -> Table:
    """Forecasts of the held-out runs beside what was measured."""
    table = found.checked
    assert table is not None  # there are held-out runs
    cells: list[tuple[str, ...]] = []
    for *place, y, predicted, low, high in rows(table):
        error = signed(predicted / y - 1.0)
        cells.append((*map(number, (*place, y, predicted)), error, "yes" if low <= y <= high else "no"))
    return Table((*found.names, "measured", "predicted", "error", f"in the {LEVEL:.0%} interval"), cells)


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
    largest = FACTOR * found.fitted.effort.max()
    cells = []
    for compute, *values in rows(table.iloc[BELOW:][["compute", *columns]]):
        triples = (values[i : i + 3] for i in range(0, len(values), 3))
        ends = (f"{_short(best)} ({_short(low)}{DASH}{_short(high)})" for best, low, high in triples)
        cells.append((f"{compute:.3g} ({number(compute / largest)} {TIMES})", *ends))
    names = (f"best {first}", f"best {second}", f"{second} over {first}", found.fitted.y_label)
    return Table(("FLOP (largest run)", *names), cells)


def allocation_csv(found: SurfaceAnalysis) -> str:
    """All budgets with every column, exact."""
    table = found.allocation
    return "" if table is None else csv_text([str(name) for name in table], rows(table))


def predictions_csv(found: SurfaceAnalysis) -> str:
    """The forecasts as CSV, exact."""
    head = (*found.names, "forecast", f"low_{100 * LEVEL:g}", f"high_{100 * LEVEL:g}")
    return csv_text(head, rows(found.predictions))


def notes(found: SurfaceAnalysis) -> list[Note]:
    """What to know before relying on the page."""
    said = [("Forecast", note) for note in found.forecast.warnings]
    if found.allocation is not None:
        said += [("Best inputs", note) for note in found.allocation.attrs["warnings"]]
    table = found.checked
    if table is not None:
        said += [("Forecast", note) for note in held_out_notes(inside(table), len(table), LEVEL)]
    by_code: dict[tuple[str, str], list[FitWarning]] = {}
    for subject, note in said:
        by_code.setdefault((subject, note.code), []).append(note)
    out = [
        Note(subject, PLAIN.get(code, cases[0].message), tuple(case.message for case in cases))
        for (subject, code), cases in by_code.items()
    ]
    return [*out, Note("Always", UNFORESEEN)]


def facts(found: SurfaceAnalysis) -> list[Fact]:
    """The few numbers that come first."""
    out, y, table = [], found.fitted.y_label, found.allocation
    if table is not None:
        row = table.iloc[BELOW + 2]
        names = [str(table.columns[i]) for i in (1, 4, 7, 10)]
        value = {name: (row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in names}
        first, second, ratio, loss = (value[name] for name in names)
        out.append(Fact(f"{y} at 10 times the compute, spent optimally", number(loss[0]), _between(loss)))
        text = f"{_between(first)}; {number(second[0])} {names[1]}, ratio {number(ratio[0])}"
        out.append(Fact(f"Best {names[0]} there", number(first[0]), text))
    else:
        place = found.predictions.iloc[0]
        ends = f"{number(place['lower'])} to {number(place['upper'])} with {LEVEL:.0%} probability"
        at = ", ".join(f"{name} {number(place[name])}" for name in found.names)
        out.append(Fact(f"{y} at {at}", number(place["predicted"]), ends))
    best = found.forecast.members[0]
    text = f"{best.weight:.0%} of the weight; back-test error {percent(best.error)}"
    out.append(Fact("Law with the largest weight", named(best.label), text))
    held = found.checked
    if held is not None:
        error = percent(rmsle(held["predicted"].to_numpy(), held["y"].to_numpy())[0])
        text = f"{inside(held)} of {len(held)} inside the {LEVEL:.0%} interval"
        out.append(Fact("Error on the held-out runs", error, text))
    return out


def named(law: str) -> str:
    """The label of a law for people."""
    return law.replace("_", " ").replace("bnsl", "BNSL")


def _short(value: float) -> str:
    """Three digits, of numbers that come with their interval."""
    return number(float(f"{value:.3g}"))


def _between(ends: tuple[float, float, float]) -> str:
    known = np.isfinite(ends[1:]).all()
    return f"{number(ends[1])} to {number(ends[2])} with {LEVEL:.0%} probability" if known else "not known"
