"""Results on disk: a folder of Parquet parts, from which an interrupted run continues."""

from __future__ import annotations

import hashlib
import json
import os
from functools import partial
from pathlib import Path

from bnsl._base.checks import InputError, told
from bnsl._base.lazy import pd

POINTS = "points_digest"  # column of what tells whether a curve's points are those that were fitted
SETTINGS = "_settings.json"  # readers of Parquet pass over names that begin so


class Parts:
    """A folder of Parquet files, each written under another name first: it is whole or not there."""

    def __init__(self, folder: str | os.PathLike[str], by: list[str], settings: dict[str, object]) -> None:
        """Open or make the folder.

        Raises InputError where it holds something else, or results of other settings.
        """
        if not isinstance(folder, str | os.PathLike):
            raise InputError(f"{told('out', folder)} must be the path of a folder")
        self.folder, self.by = Path(folder), by
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise InputError(
                "out needs pyarrow to write Parquet: pip install 'broken-neural-scaling-laws[parquet]'"
            ) from None
        text = json.dumps(settings, sort_keys=True, default=str)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"out = {str(folder)!r} is a file; name a folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        note = self.folder / SETTINGS
        if note.exists():
            if note.read_text() != text:
                raise InputError(
                    f"out = {str(folder)!r} holds results of other settings ({note}); name another folder, "
                    "or delete it"
                )
        elif any(self.folder.iterdir()):
            raise InputError(f"out = {str(folder)!r} is not empty and holds no results of this kind")
        else:
            self._whole(note, lambda path: path.write_text(text))

    def read(self, known: pd.DataFrame) -> pd.DataFrame | None:
        """What is there: one row per curve; None if there is nothing.

        Rows of curves whose points have changed since are taken off the disk.

        Args:
            known: the keys of today's curves and, in the column `POINTS`, digests of their points.
        """
        for stale in self.folder.glob("*.partial"):
            stale.unlink()
        parts = []
        for path in sorted(self.folder.glob("part-*.parquet")):
            part = pd.read_parquet(path)
            today = part[self.by].merge(known, on=self.by, how="left")[POINTS]
            same = (today.isna() | (today == part[POINTS])).to_numpy()
            if same.any():
                if not same.all():
                    part = part[same]
                    self._whole(path, partial(part.to_parquet, index=False))
                parts.append(part)
            else:
                path.unlink()
        if not parts:
            return None
        whole = pd.concat(parts, ignore_index=True).drop(columns=POINTS)
        return whole.drop_duplicates(self.by, ignore_index=True)

    def write(self, rows: pd.DataFrame) -> None:
        """Add rows; the name of a part follows from its curves, so that one written twice is there once.

        Args:
            rows: one row per curve, with digests of the points in the column `POINTS`.
        """
        keys = rows[[*self.by, POINTS]].to_csv(index=False)
        name = f"part-{hashlib.sha256(keys.encode()).hexdigest()[:16]}.parquet"
        self._whole(self.folder / name, lambda path: rows.to_parquet(path, index=False))

    @staticmethod
    def _whole(path: Path, write: object) -> None:
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.partial")
        write(unfinished)  # type: ignore[operator]
        unfinished.replace(path)
