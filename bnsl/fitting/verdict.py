"""Statements about the number of breaks, the same in summaries, reports and the app."""

from __future__ import annotations

from collections.abc import Sequence

from bnsl._base.display import FitWarning
from bnsl.evidence.breaks import MOST, Candidate, points_needed


def verdict(candidates: Sequence[Candidate], by: str = "evidence") -> str:
    """Which numbers of breaks were weighed, by what, and how likely each is among them."""
    if len(candidates) == 1:
        return f"{candidates[0].n_breaks} used; {_not_weighed(candidates)}"
    shares = ", ".join(f"{c.n_breaks} ({c.probability:.0%})" for c in candidates)
    return f"chosen by {by}; probability among these: {shares}"


def with_verdict(
    notes: Sequence[FitWarning], candidates: Sequence[Candidate], n_breaks: int
) -> tuple[FitWarning, ...]:
    """The warnings of a fit whose number of breaks was chosen.

    Where one break more was weighed, and found less likely, what the residuals show is no such break: the
    warning says so instead of contradicting the evidence.
    """
    weighed = {candidate.n_breaks: candidate.probability for candidate in candidates}
    likelier = max(weighed, key=lambda n: (weighed[n], -n))
    missing = any(note.code == "break_missing" for note in notes)
    out = []
    for note in notes:
        if note.code == "correlated_residuals" and missing and n_breaks + 1 in weighed:
            continue  # the same is said below
        if note.code != "break_missing":
            out.append(note)
        elif likelier > n_breaks:
            text = (
                f"the residuals show structure that {likelier} breaks might explain, but not clearly better "
                f"({weighed[likelier]:.0%} likely): the number of breaks is uncertain"
            )
            out.append(FitWarning("breaks_unsettled", text))
        elif n_breaks + 1 in weighed:
            text = (
                "the residuals show structure that more breaks do not explain: the law misses a feature of "
                "another kind, or the noise is correlated; standard errors and intervals are too small, and "
                "the probabilities only compare these laws"
            )
            out.append(FitWarning("structure_left", text))
        else:
            out.append(FitWarning(note.code, f"{note.message}; {_not_weighed(candidates)}"))
    return tuple(out)


def _not_weighed(candidates: Sequence[Candidate]) -> str:
    most = max(candidate.n_breaks for candidate in candidates)
    if most >= MOST:
        return f"more than {MOST} breaks were not considered"
    return f"{most + 1} or more were not considered: {points_needed(most + 1)} points are needed"
