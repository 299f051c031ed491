"""What tokens cost, exactly: dollars in Decimal, from a snapshot of prices."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from groundplan.toml_file import Values

_MILLION = Decimal(1_000_000)
# Roles and separators that a model's template adds to each message; generous, because it is only reserved.
_TOKENS_A_MESSAGE = 32
_BYTES_A_TOKEN = 4

Dollars = Annotated[Decimal, Field(ge=0, max_digits=20, decimal_places=10)]


class TokenPrices(Values):
    """US dollars for a million tokens."""

    input: Dollars
    output: Dollars
    cache_read: Dollars
    cache_write: Dollars


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer. `input` counts neither those read from the cache nor those written to it, as Converse has
    it: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, as OpenAI counts them."""
        return self.input + self.cache_read + self.cache_write


def cost_usd(usage: Usage, prices: TokenPrices) -> Decimal:
    """
    >>> cost_usd(Usage(input=1_000, output=100), TokenPrices(input="3", output="15", cache_read="0", cache_write="0"))
    Decimal('0.0045')
    """
    return (
        usage.input * prices.input
        + usage.output * prices.output
        + usage.cache_read * prices.cache_read
        + usage.cache_write * prices.cache_write
    ) / _MILLION


def most_usd(*, text_bytes: int, messages: int, output_tokens: int, prices: TokenPrices) -> Decimal:
    """What a request costs at most: a token is never shorter than a byte."""
    dearest = max(prices.input, prices.cache_write, prices.cache_read)
    return ((text_bytes + messages * _TOKENS_A_MESSAGE) * dearest + output_tokens * prices.output) / _MILLION


def estimated_tokens(text_bytes: int) -> int:
    """Tokens of an answer that was cut before the model counted them."""
    return -(-text_bytes // _BYTES_A_TOKEN)
