"""A checkpoint goes in; its cards and the page that answers in a browser come out."""
