"""What people read of a run: Markdown files, progress, the closing block. Untrusted text is escaped."""
