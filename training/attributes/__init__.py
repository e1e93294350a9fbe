"""A checkpoint goes in; how often it sees in a cell what people saw comes out."""
