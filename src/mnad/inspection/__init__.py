"""What a memory does: its items, how queries read them, where a frame is far from them."""
