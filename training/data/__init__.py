"""Folders of photos and their labels go in; one table of examples comes out: who is taught, who is scored."""
