"""What models say of samples: logits, or the one number of them that attacks look at."""

from ptq_privacy.answers.phi import phi

__all__ = ["phi"]
