"""Curves from files: tables, logs of training tools, and which of their points make the curve.

Whatever is wrong with a file is an InputError that names the file, or the column, the row and the value.
Rows are counted from 1, the first one below the header.
"""

from bnsl.readers.columns import Columns, choose_columns, curve_from_table
from bnsl.readers.curation import Curated, Curation, curate
from bnsl.readers.curves import Reading, curve_from_source, read_curve, source_columns
from bnsl.readers.files import STDIN, stem
from bnsl.readers.formats import FORMATS, read_source, read_table
from bnsl.readers.source import Source

__all__ = [
    "FORMATS",
    "STDIN",
    "Columns",
    "Curated",
    "Curation",
    "Reading",
    "Source",
    "choose_columns",
    "curate",
    "curve_from_source",
    "curve_from_table",
    "read_curve",
    "read_source",
    "read_table",
    "source_columns",
    "stem",
]
