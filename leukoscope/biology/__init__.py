"""Nothing goes in; facts about white cells come out: types, what is seen in them, what they do, and the sources."""
