"""A workload: what it is, what it must do, what it learns from and how it trains."""

from groundplan.workload.data import Data
from groundplan.workload.drivers import Drivers, Quality
from groundplan.workload.gate import Gate
from groundplan.workload.model import Baseline, Custom, Foundation, FoundationModel, Measured, Model
from groundplan.workload.read import read_trained_workload, read_workload, read_workloads, workload_names
from groundplan.workload.training import LONGEST_HYPERPARAMETER, EarlyStopping, Training
from groundplan.workload.usage import usage_of
from groundplan.workload.workload import Force, Metering, Workload

__all__ = [
    "LONGEST_HYPERPARAMETER",
    "Baseline",
    "Custom",
    "Data",
    "Drivers",
    "EarlyStopping",
    "Force",
    "Foundation",
    "FoundationModel",
    "Gate",
    "Measured",
    "Metering",
    "Model",
    "Quality",
    "Training",
    "Workload",
    "read_trained_workload",
    "read_workload",
    "read_workloads",
    "usage_of",
    "workload_names",
]
