"""The position server: owns the book, its journal and the calls on it."""
