"""What a program imports: the use cases as plain calls, which print nothing and never end the process."""
