"""The commands: options, wiring, exit codes. No logic."""
