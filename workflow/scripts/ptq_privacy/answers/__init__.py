"""What models say of samples: logits, or the one number of them that attacks look at."""
