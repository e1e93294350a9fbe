"""A model's name goes in; a checked checkpoint comes out, and what its graphs say becomes predictions."""
