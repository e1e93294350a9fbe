"""Words of a command line go in; printed answers, files and an exit status come out."""
