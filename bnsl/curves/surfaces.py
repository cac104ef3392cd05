"""Tables of runs with several inputs: the one measured by this project, and that behind Chinchilla's law."""

from __future__ import annotations

from pathlib import Path

from bnsl._base.checks import InputError, is_number, some
from bnsl._base.lazy import pd
from bnsl.curves.fetching import fetched_table, in_folder

ORIGIN = (
    "https://raw.githubusercontent.com/epoch-research/analyzing-chinchilla/"
    "92258837425e1b5f2851d624287f0120583a3d0e/data/"
)
EXTRACTED = ("svg_extracted_data.csv", "193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30")
TABLE = "inputs/chinchilla_epoch_245.csv"  # the same, in $BNSL_DATA_DIR
NAMES = {  # of the columns in either file
    "Model Size": "params",
    "Training Tokens": "tokens",
    "Training FLOP": "flops",
    "N": "params",
    "D": "tokens",
    "C": "flops",
    "loss": "loss",
}
ROWS, OUTLIERS = 245, 5


def load_chinchilla() -> pd.DataFrame:
    """The runs of figure 4 of Hoffmann et al. (2022), as Besiroglu et al. (2024) read them off it.

    Returns:
        245 rows with the columns params, tokens (flops / (6 params), which is how the figure's authors
        count), flops, loss (nats a token) and outlier: whether the row is one of the five of largest loss,
        which the replication leaves out.

    Raises:
        InputError: no file at hand and none to be had, or a damaged one; the message says what to do.
    """
    path = in_folder(TABLE)
    path, table = fetched_table(*EXTRACTED, ORIGIN) if path is None else (path, read_table(path))
    return chinchilla_from_table(table, str(path))


def chinchilla_from_table(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """The columns of `load_chinchilla` from a table with those of either file.

    Raises:
        InputError: a column that is missing or not positive numbers, or another number of rows.
    """
    found = table.rename(columns=NAMES)
    found = found.loc[:, ~found.columns.duplicated()]
    for name in ("params", "flops", "loss"):
        if name not in found or not all(is_number(v) and float(v) > 0 for v in found[name]):
            raise InputError(
                f"{source!r} has no column {name} of positive numbers; its columns are {some(table.columns)}"
            )
    if len(found) != ROWS:
        raise InputError(f"{source!r} has {len(found)} rows; expected {ROWS}, one per run")
    runs = found[["params", "flops", "loss"]].astype(float).reset_index(drop=True)
    runs.insert(1, "tokens", runs["flops"] / (6.0 * runs["params"]))
    return runs.assign(outlier=runs["loss"].rank(method="first", ascending=False) <= OUTLIERS)


def read_table(path: Path) -> pd.DataFrame:
    """A table of runs; InputError for a file that cannot be read."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"{str(path)!r} cannot be read: {error}; put the right file there") from None
