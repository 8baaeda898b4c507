"""promptfoo: its configuration, prompts, tests and asserts, as far as a scenario can say them."""
