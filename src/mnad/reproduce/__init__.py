"""Train and evaluate by the published setting, and put ours beside the published number."""
