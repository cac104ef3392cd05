"""Curves from files: tables, logs of training tools, and which of their points make the curve.

Whatever is wrong with a file is an InputError that names the file, or the column, the row and the value.
Rows are counted from 1, the first one below the header.
"""
