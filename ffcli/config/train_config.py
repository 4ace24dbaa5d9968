"""TrainConfig: the definition of each hyper-parameter: name, aliases, type, default, bounds, help and flags.

The options of ``ffnn train``, the keys of a configuration file, the record of a run and the table in the
documentation follow from it. The choices of an enumerated field come from the registries in ``core``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ffcli.config.explain import explained
from ffcli.config.fields import (
    MOST_LAYERS,
    Choice,
    Integer,
    Number,
    Option,
    Size,
    Truth,
    read_augmentation,
    read_dataset_name,
    read_fold,
    read_sizes,
)
from ffcli.config.names import FieldNames
from ffcli.core.activations import ACTIVATIONS
from ffcli.core.initializers import INITIALIZERS
from ffcli.core.losses import LOSSES
from ffcli.core.optimizers import OPTIMIZERS, hyperparameters
from ffcli.core.schedules import SCHEDULES
from ffcli.util.text import counted


class TrainConfig(BaseModel):
    """The hyper-parameters of one run. A wrong value or an unknown name raises RequestError."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Annotated[
        str, BeforeValidator(read_dataset_name), Option("Data", ("-d",), metavar="NAME", also="dataset_name")
    ] = Field("fashion_mnist", description="dataset: fashion_mnist, mnist, or the path of your own")
    val_fraction: Annotated[
        Number,
        Option("Data", also="val_split validation_split validation_fraction valid_fraction val_ratio"),
    ] = Field(0.1, gt=0, lt=1, description="fraction of the training images held out for validation")
    fold: Annotated[
        str, BeforeValidator(read_fold), Option("Data", metavar="I/K", also="cv_fold fold_number")
    ] = Field("none", description="validate on one fold of the training images: none, or I/K such as 2/5")
    augment: Annotated[
        str,
        BeforeValidator(read_augmentation),
        Option("Data", metavar="WHAT", also="augmentation data_augmentation"),
    ] = Field(
        "none",
        description="augmentation of the training images: none, flip, shift:PIXELS or flip,shift:PIXELS",
    )
    num_layers: Annotated[
        Integer,
        Option(
            "Model",
            ("-nhl",),
            also="hidden_layers num_hidden_layers number_of_hidden_layers no_of_hidden_layers "
            "no_hidden_layers num_of_hidden_layers number_hidden_layers n_hidden_layers hidden_layer "
            "hidden_layer_count n_hidden num_hidden n_layers layers number_of_layers num_of_layers "
            "no_of_layers layer_count nhl hl depth num_hidden_layer n_hidden_layer hidden_layers_count "
            "hidden_layers_num layers_num no_layers number_layers num_fc_layers n_fc_layers fc_layers "
            "num_dense_layers dense_layers",
        ),
    ] = Field(3, ge=0, le=MOST_LAYERS, description="number of hidden layers")
    hidden_size: Annotated[
        Size | Annotated[tuple[Size, ...], Field(min_length=1, max_length=MOST_LAYERS)],
        BeforeValidator(read_sizes),
        Option(
            "Model",
            ("-sz",),
            metavar="SIZE[,SIZE…]",
            also="hidden_sizes hidden_layer_size hidden_layer_sizes hidden_layers_size hidden_layers_sizes "
            "size_of_hidden_layer size_of_hidden_layers size_of_every_hidden_layer "
            "size_of_each_hidden_layer hidden_units hidden_nodes hidden_neurons hidden_dim "
            "hidden_layer_units hidden_layer_nodes hidden_layer_neurons num_hidden_units n_hidden_units "
            "num_hidden_neurons num_hidden_nodes neurons_per_layer units_per_layer nodes_per_layer "
            "neurons num_neurons n_neurons number_of_neurons no_of_neurons num_neurons_per_layer "
            "num_units num_nodes nodes units layer_size layer_sizes width sz hls hs hl_size "
            "fc_layer_size fc_layer_sizes fc_size size_hidden_layer size_hidden_layers layers_size "
            "size_of_layer size_of_layers hidden_width layer_width hidden_dims dense_units n_units "
            "n_nodes neurons_per_hidden_layer units_per_hidden_layer nodes_per_hidden_layer "
            "neurons_in_hidden_layer neurons_in_each_layer layer_units layer_neurons",
        ),
    ] = Field(128, description="units per hidden layer: one size for all, or a list such as 128,64")
    activation: Annotated[
        str,
        Choice(ACTIVATIONS),
        Option(
            "Model",
            ("-a",),
            also="activations act act_fn act_func act_function activation_fn activation_func activation_fun "
            "activation_function activation_functions activation_type hidden_activation "
            "hidden_activation_function non_linearity af",
        ),
    ] = Field("relu", description="activation of the hidden layers")
    weight_init: Annotated[
        str,
        Choice(INITIALIZERS),
        Option(
            "Model",
            ("-w_i",),
            also="init initializer initialiser initialization initialisation init_method init_type "
            "weights_init weight_initialization weight_initialisation weights_initialization "
            "weights_initialisation weight_initializer weight_initialiser weight_init_method "
            "initialization_method w_init wi init_weights init_scheme weights_initializer "
            "weights_initialiser weights_init_method weight_init_type kernel_initializer",
        ),
    ] = Field(
        "xavier",
        description="initial weights; random is uniform ±0.1, xavier uniform (Glorot), he normal (for relu)",
    )
    batch_norm: Annotated[
        Truth, Option("Model", also="batch_normalization batch_normalisation use_batch_norm bn")
    ] = Field(False, description="batch normalization of the hidden layers")
    dropout: Annotated[
        Number, Option("Model", also="dropout_rate dropout_prob dropout_probability drop_rate dropout_p")
    ] = Field(0.0, ge=0, lt=1, description="fraction of the hidden values dropped in training")
    input_dropout: Annotated[Number, Option("Model", also="input_dropout_rate")] = Field(
        0.0, ge=0, lt=1, description="fraction of the features dropped in training"
    )
    optimizer: Annotated[
        str,
        Choice(OPTIMIZERS),
        Option(
            "Optimizer",
            ("-o",),
            also="opt optim optimiser optimizer_name optimiser_name optimizer_type optimization optimisation "
            "optimization_algorithm optimizer_algorithm optimization_method optimizers optimiser_type "
            "optimization_function optimizer_function",
        ),
    ] = Field("adam", description="optimizer; nag is another name of nesterov")
    learning_rate: Annotated[
        Number,
        Option(
            "Optimizer",
            ("-lr",),
            also="lr eta step_size learn_rate learning_rates initial_learning_rate initial_lr init_lr "
            "base_lr learning_rate_init lrate",
        ),
    ] = Field(1e-3, gt=0, description="step size")
    momentum: Annotated[
        Number, Option("Optimizer", ("-m",), also="gamma mu momentum_coefficient momentum_rate")
    ] = Field(0.9, ge=0, lt=1, description="fraction of the previous step that is kept")
    beta: Annotated[Number, Option("Optimizer", ("-beta",), also="rho beta_rms rmsprop_beta")] = Field(
        0.9, ge=0, lt=1, description="decay rate of the mean squared gradient"
    )
    beta1: Annotated[Number, Option("Optimizer", ("-beta1",), also="adam_beta1 b1")] = Field(
        0.9, ge=0, lt=1, description="decay rate of the first moment"
    )
    beta2: Annotated[Number, Option("Optimizer", ("-beta2",), also="adam_beta2 b2")] = Field(
        0.999, ge=0, lt=1, description="decay rate of the second moment"
    )
    epsilon: Annotated[Number, Option("Optimizer", ("-eps",), also="eps adam_eps adam_epsilon")] = Field(
        1e-7, gt=0, description="small constant that keeps the division finite"
    )
    schedule: Annotated[
        str,
        Choice(SCHEDULES),
        Option("Optimizer", also="scheduler lr_schedule lr_scheduler learning_rate_schedule"),
    ] = Field("constant", description="schedule of the learning rate")
    warmup_epochs: Annotated[Number, Option("Optimizer", also="warmup")] = Field(
        0.0, ge=0, description="epochs over which the learning rate rises from zero"
    )
    decay_epochs: Annotated[Integer, Option("Optimizer")] = Field(
        10,
        ge=1,
        description="epochs between decays (schedule step), or without a lower val_loss before one (plateau)",
    )
    decay_factor: Annotated[Number, Option("Optimizer")] = Field(
        0.1, gt=0, lt=1, description="factor of one decay of the learning rate (schedules step and plateau)"
    )
    clip_norm: Annotated[
        Number,
        Option(
            "Optimizer",
            also="clip clip_grad grad_clip gradient_clip gradient_clipping max_grad_norm max_norm "
            "grad_clip_norm",
        ),
    ] = Field(0.0, ge=0, description="maximum gradient norm; 0 disables clipping")
    loss: Annotated[
        str,
        Choice(LOSSES),
        Option(
            "Training",
            ("-l",),
            also="loss_func loss_fn loss_function loss_type criterion cost cost_func cost_function objective "
            "losses",
        ),
    ] = Field(
        "cross_entropy", description="loss function; mean_squared_error is another name of squared_error"
    )
    epochs: Annotated[
        Integer,
        Option(
            "Training",
            ("-e",),
            also="epoch n_epochs n_epoch num_epochs num_epoch max_epochs max_epoch number_of_epochs "
            "num_of_epochs no_of_epochs no_epochs training_epochs train_epochs nb_epochs nb_epoch "
            "total_epochs epochs_num epoch_count",
        ),
    ] = Field(10, ge=1, description="passes over the training images")
    batch_size: Annotated[
        Integer,
        Option(
            "Training",
            ("-b",),
            also="batch batches_size batch_sizes size_of_batch train_batch_size minibatch_size minibatch bs",
        ),
    ] = Field(32, ge=1, description="images per step")
    weight_decay: Annotated[
        Number,
        Option(
            "Training",
            ("-w_d", "-wd"),
            also="l2 l2_reg l2_regularization l2_regularisation l2_regularizer l2_lambda l2_penalty l2_decay "
            "reg regularization regularisation regularization_strength regularization_parameter "
            "reg_param reg_lambda reg_strength lambda lambd lmbda lam weight_decay_rate wd",
        ),
    ] = Field(
        0.0, ge=0, description="L2 regularization: adds weight_decay·W to the gradient of each weight W"
    )
    label_smoothing: Annotated[Number, Option("Training")] = Field(
        0.0, ge=0, lt=1, description="fraction of each training target spread over all classes"
    )
    ema: Annotated[Number, Option("Training", also="ema_decay")] = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay rate of a moving average of the weights, which is then stored; 0 disables it",
    )
    patience: Annotated[Integer, Option("Training", also="early_stopping_patience")] = Field(
        0, ge=0, description="epochs without a higher val_acc after which to stop; 0 disables early stopping"
    )
    seed: Annotated[Integer, Option("Training", also="random_seed random_state rng_seed")] = Field(
        0, description="seed of the initial weights and the shuffling"
    )

    def __init__(self, **values: Any) -> None:
        known = NAMES.by_field(values)
        try:
            super().__init__(**known)
        except ValidationError as invalid:
            raise explained(invalid, known, FIELDS) from None

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
            listed, layers = ",".join(map(str, sizes)), counted(len(sizes), "hidden layer")
            raise ValueError(  # the parts of an InvalidValueError
                *("", "num_layers", f" {self.num_layers} contradicts ", "hidden_size"),
                f" {listed}, which makes {layers}: leave one of the two out.",
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

    def optimizer_arguments(self) -> dict[str, Any]:
        """The hyper-parameters that the chosen optimizer uses."""
        return {name: getattr(self, name) for name in hyperparameters(self.optimizer)}

    def as_dict(self) -> dict[str, Any]:
        """All values in plain types, in the order of definition: for YAML, JSON and W&B."""
        return self.model_dump(mode="json")


FIELDS: Mapping[str, FieldInfo] = TrainConfig.model_fields
NAMES = FieldNames(FIELDS)
