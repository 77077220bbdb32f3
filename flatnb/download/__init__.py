"""Downloads of verified bytes from S3: two downloaders, the key catalogue, events, statistics."""
