"""A table of examples and settings go in; a run folder with trained weights comes out."""
