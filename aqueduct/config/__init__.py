"""The file `aqueduct.yaml`: its format, how it is read, what it would change, and how it is written back."""
