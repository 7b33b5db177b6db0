"""What providers want back with tool calls, kept for clients that drop it."""
