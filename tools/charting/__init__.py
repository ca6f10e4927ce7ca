"""Writes the templates of the charts from what the command line renders (docs/decisions/0004)."""
