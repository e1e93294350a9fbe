"""Untrusted bytes, a path, a PIL image or an array go in; an upright RGB picture comes out, or an `ImageError`."""
