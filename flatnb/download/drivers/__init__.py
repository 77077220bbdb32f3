"""What runs the core's commands: boto3 with threads, aioboto3 with tasks."""
