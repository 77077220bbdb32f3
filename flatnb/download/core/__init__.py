"""The transfer protocol without I/O: commands, retries, parts and listings."""
