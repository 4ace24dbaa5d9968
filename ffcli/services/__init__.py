"""What the commands do: one function each, request in, JSON-ready document out. Nothing here prints."""
