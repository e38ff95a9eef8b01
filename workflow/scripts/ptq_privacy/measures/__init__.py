"""What scores add up to: rates with intervals, differences, exposure, thresholds."""
