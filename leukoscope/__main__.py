"""`python -m leukoscope`: the command line."""

from leukoscope.cli import main

raise SystemExit(main())
