"""Predictions and counts go in; words, boxes, charts, heatmaps, HTML and PDF come out."""
