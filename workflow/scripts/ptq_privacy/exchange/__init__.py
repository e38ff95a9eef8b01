"""Stored variants for use elsewhere."""
