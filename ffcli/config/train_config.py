"""TrainConfig: the one place where a hyper-parameter has its name, type, default, bounds, help and flags.

The options of ``ffnn train``, the keys of a configuration file, the record of a run and the table in the
documentation follow from it. The choices of an enumerated field come from the registries in ``core``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from ffcli.config.fields import (
    Integer,
    Number,
    Option,
    Size,
    Truth,
    choice,
    read_augmentation,
    read_dataset_name,
    read_sizes,
)
from ffcli.core.activations import ACTIVATIONS
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS, hyperparameters
from ffcli.core.schedules import SCHEDULES
from ffcli.util.text import counted

_OPTIMIZER, _OPTIMIZER_NAME = choice(OPTIMIZERS)
_LOSS, _LOSS_NAME = choice(LOSSES)
_INIT, _INIT_NAME = choice(INITIALIZERS)
_ACTIVATION, _ACTIVATION_NAME = choice(ACTIVATIONS)
_SCHEDULE, _SCHEDULE_NAME = choice(SCHEDULES)


class TrainConfig(BaseModel):
    """The hyper-parameters of one run. Wrong or unknown values raise ``pydantic.ValidationError``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Annotated[str, BeforeValidator(read_dataset_name), Option("Data", ("-d",), metavar="NAME")] = (
        Field("fashion_mnist", description="fashion_mnist, mnist, or the path of your own")
    )
    val_fraction: Annotated[Number, Option("Data")] = Field(
        0.1, gt=0, lt=1, description="part of the training images kept for validation"
    )
    augment: Annotated[str, BeforeValidator(read_augmentation), Option("Data", metavar="WHAT")] = Field(
        "none", description="of training images: none, flip, shift:PIXELS or both as in flip,shift:1"
    )
    num_layers: Annotated[Integer, Option("Model", ("-nhl",), ("hidden_layers",))] = Field(
        3, ge=0, description="hidden layers"
    )
    hidden_size: Annotated[
        Size | Annotated[tuple[Size, ...], Field(min_length=1)],
        BeforeValidator(read_sizes),
        Option("Model", ("-sz",), metavar="SIZE[,SIZE…]"),
    ] = Field(128, description="one size for all hidden layers, or a list such as 128,64")
    activation: Annotated[str, _ACTIVATION, _ACTIVATION_NAME, Option("Model", ("-a",))] = Field(
        "relu", description="of the hidden layers"
    )
    weight_init: Annotated[str, _INIT, _INIT_NAME, Option("Model", ("-w_i",))] = Field(
        "xavier",
        description="random: uniform ±0.1; xavier: Glorot uniform; he: normal for relu and its kin",
    )
    batch_norm: Annotated[Truth, Option("Model")] = Field(
        False, description="batch normalization of the hidden layers"
    )
    dropout: Annotated[Number, Option("Model")] = Field(
        0.0, ge=0, lt=1, description="share of the hidden values dropped while training"
    )
    input_dropout: Annotated[Number, Option("Model")] = Field(
        0.0, ge=0, lt=1, description="share of the features dropped while training"
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
    schedule: Annotated[str, _SCHEDULE, _SCHEDULE_NAME, Option("Optimizer")] = Field(
        "constant", description="of the learning rate"
    )
    warmup_epochs: Annotated[Number, Option("Optimizer")] = Field(
        0.0, ge=0, description="epochs over which the learning rate rises from zero"
    )
    decay_epochs: Annotated[Integer, Option("Optimizer")] = Field(
        10,
        ge=1,
        description="schedule step: epochs between decays; plateau: without lower val_loss",
    )
    decay_factor: Annotated[Number, Option("Optimizer")] = Field(
        0.1, gt=0, lt=1, description="what schedules step and plateau multiply by"
    )
    clip_norm: Annotated[Number, Option("Optimizer")] = Field(
        0.0, ge=0, description="longest gradient, by its norm; 0 clips none"
    )
    loss: Annotated[str, _LOSS, _LOSS_NAME, Option("Training", ("-l",))] = Field(
        "cross_entropy", description="mean_squared_error is another name of squared_error"
    )
    epochs: Annotated[Integer, Option("Training", ("-e",))] = Field(
        10, ge=1, description="passes over the training images"
    )
    batch_size: Annotated[Integer, Option("Training", ("-b",))] = Field(32, ge=1, description="images a step")
    weight_decay: Annotated[Number, Option("Training", ("-w_d",))] = Field(
        0.0, ge=0, description="L2: the gradient of each weight W gains weight_decay·W"
    )
    label_smoothing: Annotated[Number, Option("Training")] = Field(
        0.0, ge=0, lt=1, description="share of each training target spread over all classes"
    )
    ema: Annotated[Number, Option("Training")] = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of an average of the weights, which is then kept; 0: none",
    )
    patience: Annotated[Integer, Option("Training")] = Field(
        0, ge=0, description="epochs without a higher val_acc after which to stop; 0: never"
    )
    seed: Annotated[Integer, Option("Training")] = Field(
        0, description="of the initial weights and the shuffling"
    )

    @model_validator(mode="before")
    @classmethod
    def _count_layers(cls, values: Any) -> Any:
        """Let ``num_layers`` follow from a list of sizes."""
        sizes = read_sizes(values.get("hidden_size")) if isinstance(values, dict) else None
        return {"num_layers": len(sizes), **values} if isinstance(sizes, tuple) else values

    @model_validator(mode="after")
    def _same_layers(self) -> TrainConfig:
        """Refuse a ``num_layers`` that is not the length of the list of sizes."""
        sizes = self.hidden_size
        if isinstance(sizes, tuple) and len(sizes) != self.num_layers:
            raise ValueError(
                f"num_layers {self.num_layers} contradicts hidden_size {','.join(map(str, sizes))}, "
                f"which makes {counted(len(sizes), 'hidden layer')}: leave one of the two out."
            )
        return self

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """The size of each hidden layer."""
        if isinstance(self.hidden_size, tuple):
            return self.hidden_size
        return (self.hidden_size,) * self.num_layers

    @property
    def flip(self) -> bool:
        """Whether training images are mirrored at random."""
        return "flip" in self.augment

    @property
    def shift(self) -> int:
        """By how many pixels training images are shifted at most."""
        return int(self.augment.partition("shift:")[2] or 0)

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
