"""The Messages API through the official SDK: the only room that knows it."""
