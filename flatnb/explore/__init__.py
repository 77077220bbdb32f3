"""Inspection of the bucket: what may be read, what is wrong with days, what has changed."""
