"""Images uint8 [N, channels, H, W]."""
