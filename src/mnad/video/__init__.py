"""Frames in and out: any FFmpeg source or image folder, exact time, bounded memory."""
