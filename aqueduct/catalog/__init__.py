"""Models, deployments, tokens and grants as one immutable snapshot, kept current; knows no HTTP and no provider."""
