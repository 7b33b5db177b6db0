"""The database: where it runs, its tables, its revisions; knows nothing of requests and providers."""
