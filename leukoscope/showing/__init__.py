"""Predictions and counts go in; words, boxes, charts, heatmaps, HTML and PDF come out."""

from pathlib import Path

STYLE_SHEET = Path(__file__).with_name("style.css")
"""How the HTML of these modules looks: one file of rules, for every page that shows it."""
