"""Data sets as numbered samples, who was trained on what, and what calibrates a compression."""
