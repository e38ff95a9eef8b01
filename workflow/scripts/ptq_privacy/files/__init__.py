"""Artifacts on disk: written whole or not at all, checked when read, opened by standard tools."""
