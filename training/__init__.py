"""Training: data, augmentation, networks, the training run, evaluation, export and publishing.

Nothing in `leukoscope`, `space` or `streamlit_app` imports this package.
"""
