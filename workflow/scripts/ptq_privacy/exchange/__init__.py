"""Stored variants for use elsewhere."""

from ptq_privacy.exchange.live import live

__all__ = ["live"]
