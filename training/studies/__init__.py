"""Checkpoints and runs go in; what holds on labs never seen, on altered pictures and on doubtful labels comes out."""
