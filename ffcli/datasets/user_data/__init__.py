"""A user's own dataset, in the formats that people have: read, converted, and prepared once."""
