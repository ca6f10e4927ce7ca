"""Injection: a pod comes in, the same pod with its proxy goes out."""
