"""A history as Parquet: one task for each day, on this machine or on a cluster."""
