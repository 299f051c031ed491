"""The columns of FOCUS 1.0 to 1.4 that are read, and what they are called in which version.

https://focus.finops.org/focus-specification/; what AWS exports:
https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-focus-1-2-aws-columns.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["money", "quantity", "time", "text", "tags"]


@dataclass(frozen=True)
class Column:
    """A column under its newest name. `older` are its names in earlier versions, newest first.

    `required` columns stand in every version and decide every total. Others are conditional in FOCUS: a provider
    without commitment discounts, say, has no column for them, and a file without one is read all the same.
    """

    name: str
    kind: Kind
    required: bool = True
    older: tuple[str, ...] = ()


READ = (
    Column("BilledCost", "money"),
    Column("EffectiveCost", "money"),
    Column("ListCost", "money"),
    Column("ContractedCost", "money"),
    Column("BillingCurrency", "text"),
    Column("ChargeCategory", "text"),
    Column("ChargePeriodStart", "time"),
    Column("BillingPeriodStart", "time"),
    Column("ServiceName", "text"),
    # 1.3 says who provides the service and who hosts it apart; 1.4 drops the old names.
    Column("ServiceProviderName", "text", older=("ProviderName",)),
    Column("ChargeClass", "text", required=False),
    Column("ChargePeriodEnd", "time", required=False),
    Column("ServiceCategory", "text", required=False),
    Column("BillingAccountId", "text", required=False),
    Column("SubAccountId", "text", required=False),
    Column("Tags", "tags", required=False),
    Column("SkuId", "text", required=False),
    Column("SkuMeter", "text", required=False, older=("x_UsageType",)),  # since 1.1; AWS's own column before
    Column("ResourceId", "text", required=False),
    Column("RegionId", "text", required=False),
    Column("ConsumedQuantity", "quantity", required=False),
    Column("ConsumedUnit", "text", required=False),
    Column("PricingCategory", "text", required=False),
    Column("CommitmentDiscountId", "text", required=False),
    Column("CommitmentDiscountStatus", "text", required=False),
)
# The other columns of any version, which are passed over without a word. Those of a provider begin with x_.
NOT_READ = frozenset(
    """
    AllocatedMethodDetails AllocatedMethodId AllocatedResourceId AllocatedResourceName AllocatedTags
    AvailabilityZone BillingAccountName BillingAccountType BillingPeriodEnd CapacityReservationId
    CapacityReservationStatus ChargeDescription ChargeFrequency CommitmentDiscountCategory CommitmentDiscountName
    CommitmentDiscountQuantity CommitmentDiscountType CommitmentDiscountUnit CommitmentProgramEligibilityDetails
    ContractApplied ContractedUnitPrice HostProviderName InvoiceDetailId InvoiceId InvoiceIssuerId
    InvoiceIssuerName ListUnitPrice PricingCurrency PricingCurrencyContractedUnitPrice
    PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName
    PublisherName RegionName ResourceName ResourceType ServiceSubcategory SkuPriceDetails SkuPriceId
    SubAccountName SubAccountType
    """.lower().split()
)
_SINCE = (  # a column that a version brought, newest version first
    ("1.4", ("invoicedetailid", "commitmentprogrameligibilitydetails")),
    ("1.3", ("serviceprovidername", "hostprovidername", "contractapplied", "allocatedmethodid")),
    ("1.2", ("invoiceid", "billingaccounttype", "pricingcurrency", "subaccounttype")),
    ("1.1", ("skumeter", "capacityreservationid", "servicesubcategory", "skupricedetails")),
)


@dataclass(frozen=True)
class Layout:
    """Where a file keeps what is read: `names` maps a column's newest name to the file's own."""

    names: Mapping[str, str]
    missing: tuple[str, ...]  # required ones
    absent: tuple[str, ...]  # conditional ones
    unknown: tuple[str, ...]  # columns that are not FOCUS's
    twice: tuple[str, ...]
    version: str  # the newest whose columns it has


def layout(given: Iterable[str]) -> Layout:
    """The layout of a file with these columns, in any order and any case."""
    own: dict[str, str] = {}
    twice: list[str] = []
    for name in given:
        key = name.strip().lower()
        if key in own:
            twice.append(name)
        own.setdefault(key, name)
    names: dict[str, str] = {}
    for column in READ:
        for called in (column.name, *column.older):
            if called.lower() in own:
                names[column.name] = own[called.lower()]
                break
    read = {called.lower() for column in READ for called in (column.name, *column.older)}
    return Layout(
        names=names,
        missing=tuple(one.name for one in READ if one.required and one.name not in names),
        absent=tuple(one.name for one in READ if not one.required and one.name not in names),
        unknown=tuple(name for key, name in own.items() if key not in read | NOT_READ and key[:2] != "x_"),
        twice=tuple(name for name in twice if name.strip().lower() in read),
        version=next((version for version, marks in _SINCE if any(mark in own for mark in marks)), "1.0"),
    )
