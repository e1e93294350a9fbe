"""A checkpoint and examples go in; answers, scores with intervals, figures and thresholds come out."""
