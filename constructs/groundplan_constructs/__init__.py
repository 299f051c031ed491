"""Build: the library of constructs, one a file, safe by default. Knows no stack and no environment file."""

from groundplan_constructs.access_log_bucket import AccessLogBucket
from groundplan_constructs.alarm_topic import AlarmTopic
from groundplan_constructs.api_logs_role import ApiLogsRole
from groundplan_constructs.approver_role import ApproverRole, ApproverRoleProps
from groundplan_constructs.async_endpoint import AsyncEndpoint, AsyncEndpointProps
from groundplan_constructs.batch_transform import BatchTransform, BatchTransformProps
from groundplan_constructs.budget_notices import BudgetNotices
from groundplan_constructs.caller_pool import CallerPool, CallerPoolProps
from groundplan_constructs.catalogued_table import CataloguedTable, CataloguedTableProps
from groundplan_constructs.checkpoint_alarm import CheckpointAlarm
from groundplan_constructs.component_endpoint import ComponentEndpoint, ComponentEndpointProps
from groundplan_constructs.cost_ceilings import CostCeilings, CostCeilingsProps
from groundplan_constructs.cost_dashboard import CostDashboard, CostDashboardProps
from groundplan_constructs.data_capture import Capture
from groundplan_constructs.dead_letter_queue import DeadLetterQueue
from groundplan_constructs.delivery_alarms import DeliveryAlarms, DeliveryAlarmsProps
from groundplan_constructs.deny_spending import DenySpending, DenySpendingProps
from groundplan_constructs.encrypted_bucket import EncryptedBucket, EncryptedBucketProps
from groundplan_constructs.encryption_key import EncryptionKey
from groundplan_constructs.endpoint_alarms import EndpointAlarms, EndpointAlarmsProps, Watched
from groundplan_constructs.endpoint_basics import EndpointBasics
from groundplan_constructs.endpoint_dashboard import EndpointDashboard, EndpointDashboardProps
from groundplan_constructs.endpoint_rules import EndpointRules
from groundplan_constructs.evaluation_role import EvaluationRole, EvaluationRoleProps
from groundplan_constructs.failed_executions_alarm import FailedExecutionsAlarm
from groundplan_constructs.flow_log import FlowLog, FlowLogProps
from groundplan_constructs.focus_export import FocusExport, FocusExportProps
from groundplan_constructs.focus_table import FocusTable, FocusTableProps
from groundplan_constructs.freshness_alarm import FreshnessAlarm
from groundplan_constructs.function_package import FunctionPackage
from groundplan_constructs.gateway_alarms import GatewayAlarms, GatewayAlarmsProps
from groundplan_constructs.gateway_dashboard import GatewayDashboard, GatewayDashboardProps
from groundplan_constructs.guardrail import Guardrail, GuardrailProps
from groundplan_constructs.iam_path import keep_iam_path
from groundplan_constructs.image_build import ImageBuild, ImageBuildProps
from groundplan_constructs.image_repository import ImageRepository
from groundplan_constructs.invocation_log import InvocationLog, InvocationLogProps
from groundplan_constructs.isolated_network import IsolatedNetwork, IsolatedNetworkProps
from groundplan_constructs.ledger_table import LedgerTable, LedgerTableProps
from groundplan_constructs.line_delivery import DeliveredTo, LineDelivery, LineDeliveryProps
from groundplan_constructs.lineage_store import LineageStore, LineageStoreProps
from groundplan_constructs.lines_table import LinesTable, LinesTableProps
from groundplan_constructs.log_subscription import LogSubscription, LogSubscriptionProps
from groundplan_constructs.mlflow_server import MlflowServer, MlflowServerProps
from groundplan_constructs.models_role import ModelsRole, ModelsRoleProps
from groundplan_constructs.monthly_budget import MonthlyBudget, MonthlyBudgetProps
from groundplan_constructs.observer_permissions import ObserverPermissions, ObserverPermissionsProps
from groundplan_constructs.permissions import Permissions
from groundplan_constructs.python_function import PythonFunction, PythonFunctionProps
from groundplan_constructs.real_time_endpoint import RealTimeEndpoint, RealTimeEndpointProps
from groundplan_constructs.rollout import Rollout
from groundplan_constructs.sagemaker_permissions import Placement
from groundplan_constructs.scaling import Scaling, ScalingProps
from groundplan_constructs.served_model import Served, ServedModel
from groundplan_constructs.serverless_endpoint import ServerlessEndpoint, ServerlessEndpointProps
from groundplan_constructs.serving_role import ServingRole, ServingRoleProps
from groundplan_constructs.stopper_permissions import StopperPermissions, StopperPermissionsProps
from groundplan_constructs.streaming_api import StreamingApi, StreamingApiProps
from groundplan_constructs.training_machine import TrainingMachine, TrainingMachineProps
from groundplan_constructs.training_role import TrainingRole, TrainingRoleProps
from groundplan_constructs.transform_watch import TransformWatch, TransformWatchProps
from groundplan_constructs.web_firewall import WebFirewall, WebFirewallProps
from groundplan_constructs.web_function import WebFunction, WebFunctionProps

__all__ = [
    "AccessLogBucket",
    "AlarmTopic",
    "ApiLogsRole",
    "ApproverRole",
    "ApproverRoleProps",
    "AsyncEndpoint",
    "AsyncEndpointProps",
    "BatchTransform",
    "BatchTransformProps",
    "BudgetNotices",
    "CallerPool",
    "CallerPoolProps",
    "Capture",
    "CataloguedTable",
    "CataloguedTableProps",
    "CheckpointAlarm",
    "ComponentEndpoint",
    "ComponentEndpointProps",
    "CostCeilings",
    "CostCeilingsProps",
    "CostDashboard",
    "CostDashboardProps",
    "DeadLetterQueue",
    "DeliveredTo",
    "DeliveryAlarms",
    "DeliveryAlarmsProps",
    "DenySpending",
    "DenySpendingProps",
    "EncryptedBucket",
    "EncryptedBucketProps",
    "EncryptionKey",
    "EndpointAlarms",
    "EndpointAlarmsProps",
    "EndpointBasics",
    "EndpointDashboard",
    "EndpointDashboardProps",
    "EndpointRules",
    "EvaluationRole",
    "EvaluationRoleProps",
    "FailedExecutionsAlarm",
    "FlowLog",
    "FlowLogProps",
    "FocusExport",
    "FocusExportProps",
    "FocusTable",
    "FocusTableProps",
    "FreshnessAlarm",
    "FunctionPackage",
    "GatewayAlarms",
    "GatewayAlarmsProps",
    "GatewayDashboard",
    "GatewayDashboardProps",
    "Guardrail",
    "GuardrailProps",
    "ImageBuild",
    "ImageBuildProps",
    "ImageRepository",
    "InvocationLog",
    "InvocationLogProps",
    "IsolatedNetwork",
    "IsolatedNetworkProps",
    "LedgerTable",
    "LedgerTableProps",
    "LineDelivery",
    "LineDeliveryProps",
    "LineageStore",
    "LineageStoreProps",
    "LinesTable",
    "LinesTableProps",
    "LogSubscription",
    "LogSubscriptionProps",
    "MlflowServer",
    "MlflowServerProps",
    "ModelsRole",
    "ModelsRoleProps",
    "MonthlyBudget",
    "MonthlyBudgetProps",
    "ObserverPermissions",
    "ObserverPermissionsProps",
    "Permissions",
    "Placement",
    "PythonFunction",
    "PythonFunctionProps",
    "RealTimeEndpoint",
    "RealTimeEndpointProps",
    "Rollout",
    "Scaling",
    "ScalingProps",
    "Served",
    "ServedModel",
    "ServerlessEndpoint",
    "ServerlessEndpointProps",
    "ServingRole",
    "ServingRoleProps",
    "StopperPermissions",
    "StopperPermissionsProps",
    "StreamingApi",
    "StreamingApiProps",
    "TrainingMachine",
    "TrainingMachineProps",
    "TrainingRole",
    "TrainingRoleProps",
    "TransformWatch",
    "TransformWatchProps",
    "Watched",
    "WebFirewall",
    "WebFirewallProps",
    "WebFunction",
    "WebFunctionProps",
    "keep_iam_path",
]
