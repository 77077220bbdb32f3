"""A history as one lazy table: what a query asks for decides what is fetched."""
