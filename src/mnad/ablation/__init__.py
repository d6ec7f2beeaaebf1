"""Tables of one-change rows over seeds: what each part of the method does to the number."""
