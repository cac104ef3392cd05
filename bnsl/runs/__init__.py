"""Loss curves under a learning-rate schedule, and continual pre-training."""
