"""What a scenario file says: its model, and the strict reader that reports every problem at its place."""
