"""Rows of features, float32 [N, features]."""
