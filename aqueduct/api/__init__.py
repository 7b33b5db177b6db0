"""HTTP: thin routes, one file per endpoint family; knows no provider and no SQL."""
