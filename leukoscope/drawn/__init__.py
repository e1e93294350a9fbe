"""A seed and cell types go in; a drawn smear comes out, with the boxes of its cells."""
