"""The training loop and its resumable checkpoints."""
