"""Wire and canonical data as msgspec Structs; knows nothing of HTTP, providers' endpoints or the database."""
