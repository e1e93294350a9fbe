"""What was measured goes in; the tables of the documents come out."""
