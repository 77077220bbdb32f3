"""Servers of ours for the tests: an S3 that fails on demand, and a link that is slow on purpose.

All of them are plain asyncio and listen on 127.0.0.1 alone.
"""
