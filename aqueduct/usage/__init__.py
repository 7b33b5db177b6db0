"""Usage rows, from the request's end to the database; knows no HTTP and no provider."""
