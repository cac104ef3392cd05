"""`python -m bnsl` is the shell command `bnsl`."""

import sys

from bnsl.cli import main

if __name__ == "__main__":
    sys.exit(main())
