"""Sequences of tokens, int32 [N, length]: numbers in a vocabulary, and 0 after a text's end."""
