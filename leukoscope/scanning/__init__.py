"""Folders, archives and files go in; which of them are photos comes out, and what is counted in all of them."""
