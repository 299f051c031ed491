"""What the platform's functions ask of an account. A test compares it with the templates.

Quotas: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from collections.abc import Mapping

from groundplan.environment import AccountName

RUNTIME = "python3.14"
RESERVED: Mapping[AccountName, int] = {"ai": 13, "data": 10}  # runs at once that are kept for functions, by account
LEFT_UNRESERVED = 100  # AWS refuses a reservation that leaves less
