"""What things cost: dated, sourced unit prices, one file a region, and sums that never count an unknown as zero."""

from groundplan.prices.age import check_age, today
from groundplan.prices.money import Money, dollars, rate
from groundplan.prices.price import HOURS_PER_MONTH, InstanceType, ModelPrices, Price, Unknown
from groundplan.prices.price_book import PriceBook, RegionFactor, price_file, read_prices

__all__ = [
    "HOURS_PER_MONTH",
    "InstanceType",
    "ModelPrices",
    "Money",
    "Price",
    "PriceBook",
    "RegionFactor",
    "Unknown",
    "check_age",
    "dollars",
    "price_file",
    "rate",
    "read_prices",
    "today",
]
