"""How fast this machine scores video: the same rows measured in turn, round by round."""
