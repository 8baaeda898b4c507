"""Conversations as values, and the pure function that decides their next step."""
