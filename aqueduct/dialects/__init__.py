"""From a client's bytes to the hub's requests: one module per ingress dialect; knows no provider."""
