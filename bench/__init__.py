"""The benchmark: CPU per request and per stream of Aqueduct and of other gateways, side by side."""
