"""One run on many processes and machines: who plays is elsewhere, what is decided stays the same."""
