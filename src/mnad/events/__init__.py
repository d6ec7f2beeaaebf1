"""From scores to events: when something began and ended, where it was, and a record of it."""
