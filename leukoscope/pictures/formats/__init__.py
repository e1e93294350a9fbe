"""The bytes of one file format go in; its header's promises, or its samples as RGB levels, come out."""
