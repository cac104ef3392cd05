"""The app: drop a table, choose its columns, drag the end of the fitted range, watch the forecast.

It is a Dash app, served to this machine alone. `session` keeps tables and what was found of them, `page`
says what is on the page, `reactions` what happens on it, and `server` serves it. Dash draws with Plotly
as the report does, comes with everything it sends to the browser, and sends nothing to anyone else.
"""
