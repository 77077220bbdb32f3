"""Facts about the data: data types, trading days, option symbols. No I/O, no frame library."""
