"""Boxes of white cells go in; the locator's graph and its scores come out."""
