"""The server below the API: connections, bodies, and the process that holds them; knows no operation."""
