"""Packs the container images from files, without a daemon or a registry."""
