"""The drivers that execute the core's commands: boto3 with threads, aioboto3 with tasks."""
