"""Bytes in, frames out."""
