"""The table FOCUS_1_2_AWS as Data Exports writes it.

https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-focus-1-2-aws-columns.html
"""

TABLE = "FOCUS_1_2_AWS"
TABLE_NAME = "focus"  # in the catalogue
PARTITION = "billing_period"  # 2026-11
_TEXT = """
    AvailabilityZone BillingAccountId BillingAccountName BillingAccountType BillingCurrency CapacityReservationId
    CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription ChargeFrequency CommitmentDiscountCategory
    CommitmentDiscountId CommitmentDiscountName CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit
    ConsumedUnit InvoiceId InvoiceIssuerName PricingCategory PricingCurrency PricingUnit ProviderName PublisherName
    RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId
    SkuMeter SkuPriceId SubAccountId SubAccountName SubAccountType x_Operation x_ServiceCode
"""
_NUMBERS = """
    BilledCost CommitmentDiscountQuantity ConsumedQuantity ContractedCost ContractedUnitPrice EffectiveCost ListCost
    ListUnitPrice PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice
    PricingQuantity
"""
_TIMES = "BillingPeriodEnd BillingPeriodStart ChargePeriodEnd ChargePeriodStart"
# Column to its type in Glue and Athena, by name.
COLUMNS: dict[str, str] = dict(
    sorted(
        {
            **dict.fromkeys(_TEXT.split(), "string"),
            **dict.fromkeys(_NUMBERS.split(), "double"),
            **dict.fromkeys(_TIMES.split(), "timestamp"),
            "SkuPriceDetails": "map<string,string>",
            "Tags": "map<string,string>",
            "x_Discounts": "map<string,double>",
        }.items()
    )
)
QUERY = f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"  # noqa: S608 - names of this file
EXPORTS = (
    "exports"  # prefix in the bucket: exports/<account>/<name of the export>/data/BILLING_PERIOD=2026-11/….parquet
)
REPORT = "report"  # prefix of what is made of them
DESIGNS = "designs/workloads.json"  # what workloads may cost and were meant to, kept by each deployment
USE = "observed/platform.json"  # what the platform saw of its month, written every day by the ai account's observer
TOLD = "told"  # prefix of what people were told of: told/2026-11/…
WIDGET = "cost-widget.html"  # below REPORT
METRICS = "Groundplan/Cost"  # CloudWatch namespace
AGE_METRIC = "NewestExportAgeHours"  # of the account whose newest file is the oldest
USE_AGE_METRIC = "PlatformUseAgeHours"
OLDEST_HOURS = 48  # bills come 8 to 48 hours late


def export_name(stem: str) -> str:
    """The name of an environment's export; Data Exports takes letters, digits, hyphens and underscores."""
    return f"{stem}-focus"
