"""Tables and sentences of a report on runs with several inputs, beside those of every report."""

from __future__ import annotations

from bnsl.web.surfaces import BELOW, FACTOR, SurfaceAnalysis
from bnsl.web.tables import LEAST_WEIGHT, TIMES, Table, csv_text
from bnsl.web.words import (
    UNFORESEEN,
    Fact,
    Note,
    between,
    grouped,
    held_out_facts,
    held_out_warnings,
    number,
    percent,
    rows,
)

DASH = "\N{EN DASH}"


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


def notes(found: SurfaceAnalysis) -> list[Note]:
    """What to know before relying on the page."""
    said = [("Forecast", note) for note in found.forecast.warnings]
    if found.allocation is not None:
        said += [("Best inputs", note) for note in found.allocation.attrs["warnings"]]
    return [*grouped([*said, *held_out_warnings(found)]), Note("Always", UNFORESEEN)]


def facts(found: SurfaceAnalysis) -> list[Fact]:
    """The few numbers that come first."""
    out, y, table = [], found.fitted.y_label, found.allocation
    if table is not None:
        row = table.iloc[BELOW + 2]
        names = [str(table.columns[i]) for i in (1, 4, 7, 10)]
        first, second, ratio, loss = names
        ends = {name: between(row[f"{name}_low"], row[f"{name}_high"]) for name in names}
        head = f"{y} at 10 times the compute, spent optimally"
        out.append(Fact(head, number(row[loss]), ends[loss]))
        text = f"{ends[first]}; {number(row[second])} {second}, ratio {number(row[ratio])}"
        out.append(Fact(f"Best {first} there", number(row[first]), text))
    else:
        *place, predicted, low, high = next(iter(found.predictions))
        at = ", ".join(f"{name} {number(x)}" for name, x in zip(found.names, place, strict=True))
        out.append(Fact(f"{y} at {at}", number(predicted), between(low, high)))
    best = found.forecast.members[0]
    text = f"{best.weight:.0%} of the weight; back-test error {percent(best.error)}"
    out.append(Fact("Law with the largest weight", named(best.label), text))
    return [*out, *held_out_facts(found, "run")]


def named(law: str) -> str:
    """The label of a law for people."""
    return law.replace("_", " ").replace("bnsl", "BNSL")


def _short(value: float) -> str:
    """Three digits, of numbers that come with their interval."""
    return number(float(f"{value:.3g}"))
