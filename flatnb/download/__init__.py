"""S3 in, verified bytes out."""
