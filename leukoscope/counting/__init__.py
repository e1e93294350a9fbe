"""Predictions go in; a differential comes out: shares with exact limits, decisions of a person, and its CSV."""
