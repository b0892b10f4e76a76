"""The state: plain dicts over immutable records, changed only by applying a Change."""

from hotbook_shared.book.book import Book, Picture

__all__ = ["Book", "Picture"]
