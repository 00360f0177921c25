"""Training: options and the run's record, checkpoints, updates, validation, progress, the loop and the export."""
