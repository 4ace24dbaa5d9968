"""The sweep file: document, parameters, distributions, space, early termination."""
