"""From normal footage that was kept back to a score and a threshold that mean something."""
