"""How the state of things of other libraries is written to a file and put back into the same object.

Each library is imported only when one of its objects is met. Reading runs what the file says, as pickle does: the
files are the run's own, below a prefix that only its role may write, and are checked by digest before.
"""

import pickle
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "sklearn", "torch", "tensorflow", "keras", "joblib", "xgboost", "lightgbm")


@dataclass(frozen=True)
class State:
    """One thing to keep, by the way its kind is kept. Raises TypeError for a kind that is not known."""

    name: str
    thing: Any

    def __post_init__(self) -> None:
        if not _way(self.thing):
            raise TypeError(
                f"{self.name}: a {type(self.thing).__name__} cannot be put back into itself; give an object with "
                "state_dict and load_state_dict, a scikit-learn estimator, a Keras model, a NumPy array or "
                "generator, a dict or a list, or use save= and load="
            )

    def save(self, folder: Path) -> None:
        """Write its file."""
        way = _way(self.thing)
        path = folder / f"{self.name}{'.weights.h5' if way == 'keras' else '.state'}"
        if way == "keras":
            self.thing.save_weights(str(path))
        elif way == "state_dict":
            _dump(self.thing.state_dict(), path)
        else:
            _dump(_content(self.thing, way), path)

    def load(self, folder: Path) -> None:
        """Put back what the file holds."""
        way = _way(self.thing)
        if way == "keras":
            self.thing.load_weights(str(folder / f"{self.name}.weights.h5"))
            return
        held = _read(folder / f"{self.name}.state")
        if way == "state_dict":
            self.thing.load_state_dict(held)
        elif way == "array":
            self.thing[...] = held
        elif way == "random":
            self.thing.set_state(held)
        elif way == "generator":
            self.thing.bit_generator.state = held
        elif way == "dict":
            self.thing.clear()
            self.thing.update(held)
        elif way == "list":
            self.thing[:] = held
        else:
            self.thing.__dict__.clear()
            self.thing.__dict__.update(held)


def random_numbers() -> dict[str, Any]:
    """The state of the global generators of Python, and of NumPy and PyTorch where the script uses them."""
    held: dict[str, Any] = {"random": random.getstate()}
    if numpy := _loaded("numpy"):
        held["numpy"] = numpy.random.get_state()
    if torch := _loaded("torch"):
        held["torch"] = torch.random.get_rng_state()
        if torch.cuda.is_available():
            held["torch.cuda"] = torch.cuda.get_rng_state_all()
    return held


def put_back_random_numbers(held: Mapping[str, Any]) -> None:
    """As `random_numbers` found them."""
    random.setstate(held["random"])
    if "numpy" in held and (numpy := _loaded("numpy")):
        numpy.random.set_state(held["numpy"])
    if "torch" in held and (torch := _loaded("torch")):
        torch.random.set_rng_state(held["torch"])
        if "torch.cuda" in held:
            torch.cuda.set_rng_state_all(held["torch.cuda"])


def frameworks() -> dict[str, str]:
    """The versions of Python and of the loaded libraries whose objects may lie in a checkpoint."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    return found | {name: str(module.__version__) for name, module in _libraries()}


def dump_pickle(held: Any, path: Path) -> None:
    """With the newest protocol, so that large arrays are written as they lie in memory."""
    with path.open("wb") as file:
        pickle.dump(held, file, protocol=pickle.HIGHEST_PROTOCOL)


def read_pickle(path: Path) -> Any:
    """What `dump_pickle` wrote."""
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - the run's own file, checked by its digest


def _libraries() -> Iterator[tuple[str, Any]]:
    for name in LIBRARIES:
        if (module := _loaded(name)) and hasattr(module, "__version__"):
            yield name, module


def _loaded(name: str) -> Any:
    return sys.modules.get(name)


def _way(thing: Any) -> str:
    if hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict"):
        return "state_dict"
    if hasattr(thing, "save_weights") and hasattr(thing, "load_weights"):
        return "keras"
    if hasattr(thing, "get_params") and hasattr(thing, "set_params") and hasattr(thing, "__dict__"):
        return "estimator"
    numpy = _loaded("numpy")
    if numpy:
        for kind, way in (
            (numpy.ndarray, "array"),
            (numpy.random.RandomState, "random"),
            (numpy.random.Generator, "generator"),
        ):
            if isinstance(thing, kind):
                return way
    if isinstance(thing, dict | list):
        return "dict" if isinstance(thing, dict) else "list"
    return ""


def _content(thing: Any, way: str) -> Any:
    if way == "random":
        return thing.get_state()
    if way == "generator":
        return thing.bit_generator.state
    return thing.__dict__ if way == "estimator" else thing


def _dump(held: Any, path: Path) -> None:
    if torch := _loaded("torch"):
        torch.save(held, path)
    else:
        dump_pickle(held, path)


def _read(path: Path) -> Any:
    if torch := _loaded("torch"):
        return torch.load(path, weights_only=False, map_location="cpu")
    return read_pickle(path)
