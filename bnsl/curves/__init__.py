"""Measured curves: one, many, tables of them, and the data sets by name."""
