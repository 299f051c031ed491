"""Inferentia2: its machines, its images by Neuron SDK and region, and what a model must be to be served there."""

from dataclasses import dataclass
from decimal import Decimal

AMI = "al2-ami-sagemaker-inference-neuron-2"
# Weights are read and laid out for the cores before the first answer; these are the longest that SageMaker waits.
# Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
START_TIMEOUT_SECONDS = 3600
LOADING = 2  # host memory holds the weights about twice while they are laid out
# The SDK's account of Deep Learning Containers in the regions below.
REGISTRY = "763104351884"
_GB = 10**9 / Decimal(2**30)


@dataclass(frozen=True)
class Machine:
    """An instance type: NeuronCores, and gibibytes of its accelerators and of its host."""

    cores: int
    accelerator_gib: int
    host_gib: int


# Source: https://awsdocs-neuron.readthedocs-hosted.com/en/latest/general/arch/neuron-hardware/inf2-arch.html
MACHINES = {
    "ml.inf2.xlarge": Machine(2, 32, 16),
    "ml.inf2.8xlarge": Machine(2, 32, 128),
    "ml.inf2.24xlarge": Machine(12, 192, 384),
    "ml.inf2.48xlarge": Machine(24, 384, 768),
}


@dataclass(frozen=True)
class NeuronImage:
    """An image of AWS for Inferentia2, and the Neuron SDK for which its models must have been compiled."""

    framework: str
    repository: str
    tag: str
    neuron_sdk: str
    regions: tuple[str, ...]
    source: str

    def uri(self, region: str) -> str:
        """Its address in a region; raises ValueError where AWS does not offer it."""
        if region not in self.regions:
            raise ValueError(f"{self.repository} is not in {region}; allowed: {', '.join(self.regions)}")
        return f"{REGISTRY}.dkr.ecr.{region}.amazonaws.com/{self.repository}:{self.tag}"


_SDK = "https://github.com/aws/sagemaker-python-sdk/blob/master/sagemaker-core/src/sagemaker/core/image_uri_config"
_ELEVEN = tuple(
    """ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 eu-central-1 eu-west-1 eu-west-3 sa-east-1 us-east-1
    us-east-2 us-west-2""".split()
)
# The newest of each framework and SDK last.
IMAGES = (
    NeuronImage(
        "vllm-neuronx",
        "huggingface-vllm-inference-neuronx",
        "0.10.2-neuronx-py310-sdk2.26.0-ubuntu22.04",
        "2.26.0",
        _ELEVEN,
        f"{_SDK}/huggingface-vllm-neuronx.json",
    ),
    NeuronImage(
        "vllm-neuronx",
        "huggingface-vllm-inference-neuronx",
        "0.11.0-optimum0.4.5-neuronx-py310-sdk2.26.1-ubuntu22.04",
        "2.26.1",
        _ELEVEN,
        f"{_SDK}/huggingface-vllm-neuronx.json",
    ),
    NeuronImage(
        "pytorch-neuronx",
        "huggingface-pytorch-inference-neuronx",
        "2.8.0-transformers4.55.4-neuronx-py310-sdk2.26.0-ubuntu22.04",
        "2.26.0",
        _ELEVEN,
        "https://huggingface.co/docs/optimum-neuron/containers",
    ),
)


@dataclass(frozen=True)
class Compiled:
    """A model that was compiled ahead for NeuronCores, with what its compilation fixed.

    `neuron_sdk` is the version in full, such as 2.26.1: `release` of the artefact. Sequence length in tokens; batch
    in sequences at once.
    """

    framework: str
    neuron_sdk: str
    parameters_billion: Decimal
    bytes_per_parameter: Decimal
    kv_bytes_per_token: int
    cores: int
    sequence_length: int
    batch_size: int

    @property
    def weights_gib(self) -> Decimal:
        """Parameters x bytes."""
        return self.parameters_billion * self.bytes_per_parameter * _GB

    @property
    def kv_cache_gib(self) -> Decimal:
        """Keys and values of every token of every sequence of a batch."""
        return Decimal(self.kv_bytes_per_token * self.sequence_length * self.batch_size) / 2**30


def image_for(framework: str, neuron_sdk: str, region: str) -> NeuronImage:
    """The newest image whose SDK is the one that a model was compiled with.

    `neuron_sdk` may leave out the last number. Raises ValueError for a framework, SDK or region without an image.
    """
    of_framework = [image for image in IMAGES if image.framework == framework]
    if not of_framework:
        known = ", ".join(sorted({image.framework for image in IMAGES}))
        raise ValueError(f"no Neuron image for '{framework}'; allowed: {known}")
    matching = [image for image in of_framework if _same(image.neuron_sdk, neuron_sdk)]
    if not matching:
        there = ", ".join(image.neuron_sdk for image in of_framework)
        raise ValueError(
            f"compiled with Neuron SDK '{neuron_sdk}', for which there is no image of {framework}; allowed: {there}. "
            "Compile it again with one of these"
        )
    matching[-1].uri(region)  # refuses a region without it
    return matching[-1]


def _same(full: str, given: str) -> bool:
    return full == given or full.startswith(f"{given}.")


def refuse_misfit(instance_type: str, model: Compiled, image: NeuronImage) -> None:
    """Raises ValueError, naming each limit, where the model does not go onto the machine with the image."""
    machine = MACHINES.get(instance_type)
    if machine is None:
        raise ValueError(f"'{instance_type}' is no Inferentia2; allowed: {', '.join(MACHINES)}")
    wrong: list[str] = []
    if not _same(image.neuron_sdk, model.neuron_sdk):
        wrong.append(f"the model was compiled with Neuron SDK {model.neuron_sdk}, the image has {image.neuron_sdk}")
    if not 1 <= model.cores <= machine.cores:
        wrong.append(f"compiled for {model.cores} NeuronCores; {instance_type} has {machine.cores}")
    if model.sequence_length < 1 or model.batch_size < 1:
        wrong.append(f"a batch of {model.batch_size} x {model.sequence_length} tokens; at least 1 x 1")
    share = Decimal(machine.accelerator_gib) * min(max(model.cores, 0), machine.cores) / machine.cores
    wanted = model.weights_gib + model.kv_cache_gib
    if wanted > share:
        wrong.append(
            f"weights of {model.weights_gib:.1f} GiB and a cache of {model.kv_cache_gib:.1f} GiB (batch "
            f"{model.batch_size} x {model.sequence_length} tokens) exceed the {share:.1f} GiB of {model.cores} cores"
        )
    host = model.weights_gib * LOADING
    if host > machine.host_gib:
        wrong.append(f"loading takes {host:.1f} GiB of host memory; {instance_type} has {machine.host_gib}")
    if wrong:
        fits = [
            name
            for name, other in MACHINES.items()
            if model.cores <= other.cores
            and wanted <= Decimal(other.accelerator_gib) * model.cores / other.cores
            and host <= other.host_gib
        ]
        there = ", ".join(fits) or "none: compile it for more cores"
        raise ValueError(f"{'; '.join(wrong)}; machines that fit: {there}")
