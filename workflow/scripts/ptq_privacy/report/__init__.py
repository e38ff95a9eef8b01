"""What people look at: the summary tables and the figures, made from the measured artifacts."""
