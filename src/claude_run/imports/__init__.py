"""Other tools' files as scenarios: what each says that a scenario can say, and a list of what was lost."""
