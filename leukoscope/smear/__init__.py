"""An RGB photo goes in; the boxes of its white cells come out, and of each cell what a network is shown."""
