"""How boto3's clients are made in functions."""

from botocore.config import Config

# One retry loop, botocore's own.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 3})
