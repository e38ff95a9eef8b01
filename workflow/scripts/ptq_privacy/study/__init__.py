"""The study as plain data, without torch: its config, its nouns, its random streams."""
