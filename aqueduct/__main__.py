"""`python -m aqueduct` is the command `aqueduct`."""

from aqueduct.cli import main

if __name__ == "__main__":
    main()
