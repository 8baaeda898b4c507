"""Programs that play a conversation without claude-run."""
