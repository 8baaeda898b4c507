"""What both kinds of report are written with: safe text, numbers, message content, differences."""
