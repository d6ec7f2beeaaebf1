"""The only room that draws: overlays and plots."""
