"""Many curves: a table in, one row per curve out."""
