"""Judging what the bucket gives: what a plan reaches, what is wrong with days, what has changed."""
