"""From a network's output to the scores of frames."""
