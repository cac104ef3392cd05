"""Refits near a fit: bootstrap and profile likelihood."""
