"""Membership inference from recorded confidences, and how well it does."""
