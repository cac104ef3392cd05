"""What a browser shows: the report page, its figures, tables and words, and the app.

`analysis` does the work with the functions of the package, `figures` draws for Plotly, `tables` and `words`
say it in rows and sentences, `calls` writes the calls that made it, and `page` puts them together.
"""
