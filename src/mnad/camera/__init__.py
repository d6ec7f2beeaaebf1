"""Whether the camera still sees what it was calibrated on, and whether its scores still do."""
