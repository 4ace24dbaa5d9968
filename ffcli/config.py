"""TrainConfig: the one place where a hyper-parameter has its name, type, default, bounds, help and flags.

The options of ``ffnn train``, the keys of a configuration file, the record of a run and the table in the
documentation follow from it. The choices of an enumerated field come from the registries in ``core``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ffcli import datasets
from ffcli.core.activations import ACTIVATIONS
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS, hyperparameters
from ffcli.core.registry import Registry, unknown
from ffcli.errors import FfnnError, RequestError

Group = Literal["Data", "Model", "Optimizer", "Training"]


@dataclass(frozen=True)
class Option:
    """How a field shows on the command line: its group in the help, short flags, and other long names."""

    group: Group
    flags: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    metavar: str = ""


@dataclass(frozen=True)
class Choice:
    """The field takes a name of this registry, in any case; aliases are stored under the first name."""

    registry: Registry[Any]


def _choice(registry: Registry[Any]) -> tuple[Choice, BeforeValidator]:
    def canonical(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(unknown(registry.kind, value, registry))
        return registry.canonical(value)

    return Choice(registry), BeforeValidator(canonical)


def _dataset_name(value: object) -> str:
    try:
        return datasets.canonical_name(str(value))
    except FfnnError as error:
        raise ValueError(str(error)) from None


def _no_booleans(value: object) -> object:
    """Refuse what Python would quietly read as 0 or 1."""
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


def _sizes(value: object) -> object:
    """Read ``128``, ``"128,64"`` or ``"[128, 64]"`` as one size or a tuple of sizes."""
    if not isinstance(value, str):
        return tuple(value) if isinstance(value, list) else value
    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        return tuple(size.strip() for size in text[1:-1].split(","))
    return tuple(size.strip() for size in text.split(",")) if "," in text else text


Number = Annotated[float, BeforeValidator(_no_booleans), Field(allow_inf_nan=False)]
Integer = Annotated[int, BeforeValidator(_no_booleans)]
Size = Annotated[int, BeforeValidator(_no_booleans), Field(ge=1)]
_OPTIMIZER, _OPTIMIZER_NAME = _choice(OPTIMIZERS)
_LOSS, _LOSS_NAME = _choice(LOSSES)
_INIT, _INIT_NAME = _choice(INITIALIZERS)
_ACTIVATION, _ACTIVATION_NAME = _choice(ACTIVATIONS)


class TrainConfig(BaseModel):
    """The hyper-parameters of one run. Wrong or unknown values raise ``pydantic.ValidationError``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Annotated[str, BeforeValidator(_dataset_name), Option("Data", ("-d",), metavar="NAME")] = Field(
        "fashion_mnist", description="fashion_mnist, mnist, or the path of your own .npz"
    )
    val_fraction: Annotated[Number, Option("Data")] = Field(
        0.1, gt=0, lt=1, description="part of the training images kept for validation"
    )
    num_layers: Annotated[Integer, Option("Model", ("-nhl",), ("hidden_layers",))] = Field(
        3, ge=0, description="hidden layers"
    )
    hidden_size: Annotated[
        Size | Annotated[tuple[Size, ...], Field(min_length=1)],
        BeforeValidator(_sizes),
        Option("Model", ("-sz",), metavar="SIZE[,SIZE…]"),
    ] = Field(128, description="one size for all hidden layers, or a list such as 128,64")
    activation: Annotated[str, _ACTIVATION, _ACTIVATION_NAME, Option("Model", ("-a",))] = Field(
        "relu", description="of the hidden layers"
    )
    weight_init: Annotated[str, _INIT, _INIT_NAME, Option("Model", ("-w_i",))] = Field(
        "xavier", description="random: uniform ±0.1; xavier: Glorot uniform"
    )
    optimizer: Annotated[str, _OPTIMIZER, _OPTIMIZER_NAME, Option("Optimizer", ("-o",))] = Field(
        "adam", description="nag is another name of nesterov"
    )
    learning_rate: Annotated[Number, Option("Optimizer", ("-lr",))] = Field(
        1e-3, gt=0, description="step size"
    )
    momentum: Annotated[Number, Option("Optimizer", ("-m",))] = Field(
        0.9, ge=0, lt=1, description="share of the last step kept"
    )
    beta: Annotated[Number, Option("Optimizer", ("-beta",))] = Field(
        0.9, ge=0, lt=1, description="decay of the mean squared gradient"
    )
    beta1: Annotated[Number, Option("Optimizer", ("-beta1",))] = Field(
        0.9, ge=0, lt=1, description="decay of the first moment"
    )
    beta2: Annotated[Number, Option("Optimizer", ("-beta2",))] = Field(
        0.999, ge=0, lt=1, description="decay of the second moment"
    )
    epsilon: Annotated[Number, Option("Optimizer", ("-eps",))] = Field(
        1e-7, gt=0, description="keeps the division finite"
    )
    loss: Annotated[str, _LOSS, _LOSS_NAME, Option("Training", ("-l",))] = Field(
        "cross_entropy", description="mean_squared_error is another name of squared_error"
    )
    epochs: Annotated[Integer, Option("Training", ("-e",))] = Field(
        10, ge=1, description="passes over the training images"
    )
    batch_size: Annotated[Integer, Option("Training", ("-b",))] = Field(64, ge=1, description="images a step")
    weight_decay: Annotated[Number, Option("Training", ("-w_d",))] = Field(
        0.0, ge=0, description="L2: the gradient of each weight W gains weight_decay·W"
    )
    seed: Annotated[Integer, Option("Training")] = Field(
        0, description="of the initial weights and the shuffling"
    )

    @model_validator(mode="before")
    @classmethod
    def _count_layers(cls, values: Any) -> Any:
        """Let ``num_layers`` follow from a list of sizes."""
        sizes = _sizes(values.get("hidden_size")) if isinstance(values, dict) else None
        return {"num_layers": len(sizes), **values} if isinstance(sizes, tuple) else values

    @model_validator(mode="after")
    def _same_layers(self) -> TrainConfig:
        """Refuse a ``num_layers`` that is not the length of the list of sizes."""
        sizes = self.hidden_size
        if isinstance(sizes, tuple) and len(sizes) != self.num_layers:
            raise ValueError(
                f"num_layers {self.num_layers} contradicts hidden_size {','.join(map(str, sizes))}, "
                f"which makes {len(sizes)} hidden layer{'s' * (len(sizes) > 1)}: leave one of the two out."
            )
        return self

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """The size of each hidden layer."""
        if isinstance(self.hidden_size, tuple):
            return self.hidden_size
        return (self.hidden_size,) * self.num_layers

    @property
    def run_name(self) -> str:
        """The name a run gets unless the user gives one."""
        return f"run_hl-{self.num_layers}_bs-{self.batch_size}_act-{self.activation}_opt-{self.optimizer}"

    def optimizer_arguments(self) -> dict[str, Any]:
        """The hyper-parameters that the chosen optimizer uses."""
        return {name: getattr(self, name) for name in hyperparameters(self.optimizer)}

    def as_dict(self) -> dict[str, Any]:
        """All values in plain types, in the order of definition: for YAML, JSON and W&B."""
        return self.model_dump(mode="json")


FIELDS: Mapping[str, FieldInfo] = TrainConfig.model_fields


def metadata(field: FieldInfo, kind: type[Any]) -> Any:
    """Return the ``Option`` or ``Choice`` of a field, or None."""
    return next((item for item in field.metadata if isinstance(item, kind)), None)


def field_name(name: str) -> str | None:
    """Return the field that ``name`` stands for: any case, hyphens or underscores, old names; else None."""
    key = name.strip().lower().replace("-", "_")
    for field, info in FIELDS.items():
        if key == field or key in metadata(info, Option).other_names:
            return field
    return None


def allowed(name: str) -> str:
    """Say in words what the field takes: "a number > 0", "sgd, momentum, …"."""
    info = FIELDS[name]
    choice = metadata(info, Choice)
    if choice is not None:
        return ", ".join(choice.registry)
    if name == "hidden_size":
        return "one integer ≥ 1 or a list of them such as 128,64"
    if name == "dataset":
        return info.description or ""
    noun = "a number" if "float" in str(info.annotation) else "an integer"
    bound = {type(item).__name__: item for item in info.metadata}
    low = getattr(bound.get("Gt"), "gt", None), getattr(bound.get("Ge"), "ge", None)
    high = getattr(bound.get("Lt"), "lt", None)
    if high is not None:
        return f"{noun} in {'(' if low[0] is not None else '['}{low[0] or low[1] or 0}, {high})"
    if low[0] is not None:
        return f"{noun} > {low[0]}"
    return noun if low[1] is None else f"{noun} ≥ {low[1]}"


def used_by(name: str) -> list[str]:
    """Return the optimizers that use the field, or an empty list where it is none of theirs."""
    return [optimizer for optimizer in OPTIMIZERS if name in hyperparameters(optimizer)]


def unused(config: TrainConfig, given: Iterable[str]) -> list[str]:
    """Return a notice for each of the ``given`` fields that has no effect under this configuration."""
    notices = []
    for name in given:
        users = used_by(name)
        if users and config.optimizer not in users:
            notices.append(f"{name} is not used by {config.optimizer} (only by {', '.join(users)})")
        elif config.num_layers == 0 and name in ("hidden_size", "activation"):
            notices.append(f"{name} is not used by a network without hidden layers")
    return notices


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over one another, the last on top. Raises RequestError for an unknown key.

    ``num_layers`` follows from a list of sizes in the same layer; a list on top takes the ``num_layers``
    below with it, and a ``num_layers`` on top turns a list of equal sizes below into that size.
    """
    merged: dict[str, Any] = {}
    for layer in map(_by_field, layers):
        sizes = _sizes(layer.get("hidden_size"))
        if isinstance(sizes, tuple):
            merged["num_layers"] = len(sizes)
        elif "num_layers" in layer:
            below = _sizes(merged.get("hidden_size"))
            if isinstance(below, tuple) and len(set(below)) == 1:
                merged["hidden_size"] = below[0]
        merged.update(layer)
    return merged


def _by_field(values: Mapping[str, Any], label: Callable[[str], str] = str) -> dict[str, Any]:
    """Return the settings under the fields' own names."""
    known: dict[str, Any] = {}
    for key, value in values.items():
        name = field_name(str(key))
        if name is None:
            raise RequestError(unknown("hyper-parameter", key, FIELDS))
        if name in known:
            raise RequestError(f"{label(name)} is given twice, as {name} and under another name.")
        known[name] = value
    return known


def validate(values: Mapping[str, Any], label: Callable[[str], str] = str) -> TrainConfig:
    """Return the configuration. Raises RequestError that names the first bad key by ``label(key)``."""
    known = _by_field(values, label)
    try:
        return TrainConfig.model_validate(known)
    except ValidationError as invalid:
        raise RequestError(_explain(invalid, known, label)) from None


def _explain(invalid: ValidationError, values: Mapping[str, Any], label: Callable[[str], str]) -> str:
    error = invalid.errors()[0]
    if not error["loc"]:  # of the model as a whole: num_layers against hidden_size
        text = str(error["ctx"]["error"])
        return text.replace("num_layers", label("num_layers")).replace("hidden_size", label("hidden_size"))
    name = str(error["loc"][0])
    value = values[name]
    reason = error.get("ctx", {}).get("error")
    if reason and (metadata(FIELDS[name], Choice) or name == "dataset"):
        return f"{label(name)}: {reason}"
    shown = value if isinstance(value, str) else repr(value)
    return f"{label(name)}: {shown} is not allowed; give {allowed(name)}."
