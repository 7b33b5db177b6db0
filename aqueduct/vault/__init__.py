"""What providers want back with answers, kept for clients that drop it."""
