"""Playing conversations: who may send, when, what for, and what becomes of the replies."""
