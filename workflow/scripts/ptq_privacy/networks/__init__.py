"""Networks, one file a family: factories of fresh ones for some classes and channels."""
