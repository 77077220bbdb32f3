"""One load: the request, the days and where they come from, and the result."""
