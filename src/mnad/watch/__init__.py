"""The loop from frames to events, alarms and a report, for files and for cameras that never end."""
