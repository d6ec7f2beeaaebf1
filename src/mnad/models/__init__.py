"""Model folders on disk and the import of foreign checkpoints."""
