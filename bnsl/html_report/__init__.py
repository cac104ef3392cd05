"""One curve as one web page that needs no network: forecast, forms, breaks, back-test, and how it was made.

`analysis` does the work with the functions of the package, `figures` draws for Plotly, `tables` and `words`
say it in rows and sentences, `calls` writes the calls that made it, and `page` puts them together.
"""

from bnsl.html_report.analysis import Analysis, analyse
from bnsl.html_report.calls import Source
from bnsl.html_report.page import check_path, render, write_report

__all__ = ["Analysis", "Source", "analyse", "check_path", "render", "write_report"]
