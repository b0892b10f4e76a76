"""What may happen: pure functions of the book, a command and the time."""
