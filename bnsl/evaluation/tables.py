"""Tables of a benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

EXPLANATION = (
    "Every method sees the fitted points of a curve and nothing else, and predicts those beyond. RMSLE is\n"
    "the root mean squared error of log y on them (arXiv 2209.06640), ± its standard error. The best of a\n"
    "row is bold."
)
# title, column of `by_domain`, how to write it, and whether the least is best
MEASURES: tuple[tuple[str, str, Callable[[float], str], bool], ...] = (
    ("Mean RMSLE", "rmsle_mean", "{:.4f}".format, True),
    ("Geometric mean RMSLE", "rmsle_geomean", "{:.4f}".format, True),
    ("Share of curves won", "wins", "{:.1%}".format, False),
    (
        "Share of curves better than all of the benchmark's own M1 to M4",
        "beats_published",
        "{:.1%}".format,
        False,
    ),
)


def bold(values: np.ndarray, text: Callable[[float], str], least: bool) -> list[str]:
    """The values as texts, those that read like the best of them in bold, unless all do."""
    texts = ["" if np.isnan(value) else text(value) for value in values]
    if len(set(texts)) == 1:
        return texts
    best = texts[int(np.nanargmin(values) if least else np.nanargmax(values))]
    return [f"**{cell}**" if cell == best else cell for cell in texts]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, and an empty one."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]
