"""One file per command of the craft program."""
