"""Many curves: a table in, a row a curve out."""
