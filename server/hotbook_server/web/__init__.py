"""REST and WebSocket: reads of the book for browsers and desks, on the server's own loop."""
