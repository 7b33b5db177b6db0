"""Provider dialects behind one contract; knows nothing of the web framework, the database or the gateway."""
