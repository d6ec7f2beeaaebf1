"""A procedurally rendered fixed-camera scene with exact ground truth."""
