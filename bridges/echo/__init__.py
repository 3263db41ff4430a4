"""Echo: an imaginary provider with a clean API, the example to copy."""
