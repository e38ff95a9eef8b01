"""Networks: what they are, how they are trained, stored and asked."""
