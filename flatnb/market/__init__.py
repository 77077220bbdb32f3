"""What the data mean: data types, trading days, option symbols. Pure: no I/O, no frame library."""
