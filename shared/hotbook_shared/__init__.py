"""What server and client share: the nouns, the book, the wire. Imports neither of the two."""

__version__ = "0.1.0"
