"""Functional forms: what a form is, BNSL, the baselines M1 to M4, and their names."""
