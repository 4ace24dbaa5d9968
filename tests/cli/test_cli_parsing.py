from __future__ import annotations

import shlex
from contextlib import suppress
from typing import Annotated, Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command

from ffcli.cli.commands.train import app as train_app
from ffcli.cli.options import configure
from ffcli.cli.options import given as only_given
from ffcli.config import FIELDS, Choice, Option, TrainConfig, metadata

TRAIN: Any = get_command(train_app)


def parse(*args: str) -> dict[str, Any]:
    """Return the values that `ffnn train ARGS` would be called with, without those not given."""
    params = TRAIN.make_context("train", list(args)).params
    return {name: value for name, value in params.items() if value not in (None, (), False)}


def config(*args: str) -> TrainConfig:
    return configure(
        None, only_given({name: value for name, value in parse(*args).items() if name in FIELDS})
    )


def refusal(*args: str) -> str:
    with pytest.raises(typer.TyperException) as caught:
        parse(*args)
    return caught.value.format_message()


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=True, exclude_max=True, allow_subnormal=False, width=32)


RATE = st.floats(0, 1, exclude_max=True, allow_subnormal=False, width=32)
SIZE = st.integers(1, 9999)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "dataset": st.sampled_from(["fashion_mnist", "mnist"]),
    "val_fraction": floats(0, 1),
    "hidden_size": st.one_of(SIZE, st.lists(SIZE, min_size=1, max_size=5).map(tuple)),
    "learning_rate": floats(0, 1e6),
    "momentum": RATE,
    "beta": RATE,
    "beta1": RATE,
    "beta2": RATE,
    "epsilon": floats(0, 1),
    "weight_decay": st.floats(0, 1e6, allow_subnormal=False, width=32),
    "seed": st.integers(-(10**12), 10**12),
    "fold": st.sampled_from(["none", "2/5", "12/12"]),
    "augment": st.sampled_from(["none", "flip", "shift:2", "flip,shift:1"]),
    "batch_norm": st.booleans(),
    "dropout": RATE,
    "input_dropout": RATE,
    "label_smoothing": RATE,
    "ema": RATE,
    "decay_factor": floats(0, 1),
}


def strategy(name: str) -> st.SearchStrategy[Any]:
    choice = metadata(FIELDS[name], Choice)
    return st.sampled_from(list(choice.registry)) if choice else VALUES.get(name, SIZE)


@st.composite
def configurations(draw: st.DrawFn) -> TrainConfig:
    values = {name: draw(strategy(name)) for name in FIELDS}
    if isinstance(values["hidden_size"], tuple):
        del values["num_layers"]
    return TrainConfig(**values)


def as_text(value: Any, *, bare: bool) -> str:
    """Return a value as it is written on the command line; a list may go without its brackets."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) if bare and len(value) > 1 else str(list(value))
    return str(value)


@settings(deadline=None, max_examples=60)
@given(configurations(), st.randoms(use_true_random=False))
def test_a_configuration_written_as_flags_is_read_back_as_it_was(wanted: TrainConfig, random: Any) -> None:
    args = []
    names = list(FIELDS)
    random.shuffle(names)
    for name in names:
        option = metadata(FIELDS[name], Option)
        value = getattr(wanted, name)
        text = as_text(value, bare=random.choice([True, False]))
        text = random.choice([text, text.upper()]) if metadata(FIELDS[name], Choice) else text
        spelling = random.choice([f"--{name}", f"--{name.replace('_', '-')}", *option.flags])
        if isinstance(value, bool):
            flag = f"--{name.replace('_', '-')}"
            args.append(random.choice([f"{spelling}={text}", flag if value else f"--no-{flag[2:]}"]))
            continue
        args += random.choice([[spelling, text], [f"{spelling}={text}"]])
    assert config(*args) == wanted


def test_the_long_line_of_the_origin() -> None:
    line = shlex.split(
        "--wandb_project my_project --wandb_entity my_entity --dataset mnist --epochs 10 --batch_size 32 "
        "--loss cross_entropy --optimizer adam --learning_rate 0.01 --num_layers 2 --hidden_size 128 "
        "--activation ReLU"
    )
    values = parse(*line)
    assert (values["wandb_project"], values["wandb_entity"]) == ("my_project", "my_entity")
    assert config(*line) == TrainConfig(
        dataset="mnist",
        epochs=10,
        batch_size=32,
        loss="cross_entropy",
        optimizer="adam",
        learning_rate=0.01,
        num_layers=2,
        hidden_size=128,
        activation="relu",
    )


def test_the_short_line_of_the_origin() -> None:
    line = shlex.split(
        "-wp p -we e -d mnist -e 1 -b 32 -l mean_squared_error -o nag -lr 0.01 -m 0.9 -w_d 0.0005 "
        "-w_i Xavier -nhl 2 -sz 64 -a tanh"
    )
    values = parse(*line)
    assert (values["wandb_project"], values["wandb_entity"]) == ("p", "e")
    assert config(*line) == TrainConfig(
        dataset="mnist",
        epochs=1,
        batch_size=32,
        loss="squared_error",
        optimizer="nesterov",
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=0.0005,
        weight_init="xavier",
        num_layers=2,
        hidden_size=64,
        activation="tanh",
    )


@pytest.mark.parametrize(
    ("args", "name", "value"),
    [
        (["-e10"], "epochs", "10"),
        (["-e=10"], "epochs", "10"),
        (["-lr0.5"], "learning_rate", "0.5"),
        (["-beta1", "0.5"], "beta1", "0.5"),
        (["-beta", "0.5"], "beta", "0.5"),
        (["-dmnist"], "dataset", "mnist"),
        (["-oadam"], "optimizer", "adam"),
        (["--hidden_layers", "2"], "num_layers", "2"),
        (["--hidden-layers=2"], "num_layers", "2"),
        (["--learning-rate", "-1"], "learning_rate", "-1"),
        (["--learning_rate=-1"], "learning_rate", "-1"),
        (["-lr", "-1"], "learning_rate", "-1"),
        (["--name", "--odd"], "name", "--odd"),
        (["--name=a=b"], "name", "a=b"),
        (["--epochs", "1", "-e", "2"], "epochs", "2"),
        (["--lr", "0.5"], "learning_rate", "0.5"),
        (["--LR=0.5"], "learning_rate", "0.5"),
        (["--optimiser", "nag"], "optimizer", "nag"),
        (["--num_hidden_layers", "2"], "num_layers", "2"),
        (["--hiddenUnits", "2"], "hidden_size", "2"),
        (["-wd", "0.1"], "weight_decay", "0.1"),
        (["--alpha", "0.1"], "alpha", "0.1"),
        (["-sz", "128"], "hidden_size", "128"),
        (["-sz", "128", "64", "32"], "hidden_size", "128,64,32"),
        (["-sz", "128,", "64"], "hidden_size", "128,64"),
        (["--hidden-size=8", "4"], "hidden_size", "8,4"),
        (["--hls", "8", "4"], "hidden_size", "8,4"),
        (["-w_p", "mine"], "wandb_project", "mine"),
        (["-w_e", "me"], "wandb_entity", "me"),
        (["--no_wandb"], "wandb", "disabled"),
        (["--no-wandb"], "wandb", "disabled"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_spellings(args: list[str], name: str, value: str) -> None:
    assert parse(*args) == {name: value}


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (["--dry-run"], True),
        (["--dry_run"], True),
        (["--dry-run=true"], True),
        (["--dry_run=TRUE"], True),
        (["--no-dry-run"], False),
        (["--no_dry_run=False"], True),
        (["--dry-run=False"], False),
        (["--dry-run", "--dry-run=false"], False),
        (["--dry-run=false", "--dry-run"], True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_booleans(args: list[str], wanted: bool) -> None:
    assert TRAIN.make_context("train", args).params["dry_run"] is wanted


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("-epochs", "--epochs"),
        ("-epoch", "--epochs"),
        ("-epo", "--epochs"),
        ("-batch_size", "--batch-size"),
        ("-learning_rate", "--learning-rate"),
        ("-momentum", "--momentum"),
        ("-hidden_layers", "--num-layers"),
        ("-optimiser", "--optimizer"),
        ("-dry-run", "--dry-run"),
        ("--epohcs", "--epochs"),
        ("--lerning_rate", "--learning-rate"),
        ("--wandbprojekt", "--wandb-project"),
    ],
)
def test_what_is_meant_is_named(word: str, near: str) -> None:
    assert refusal(word, "3") == f"No such option '{word}'. Did you mean '{near}'?"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--epochs"], "--epochs needs a value."),
        (["-lr"], "-lr needs a value."),
        (["--epochs", "--batch_size", "3"], "--epochs needs a value."),
        (["--dry-run=maybe"], "--dry-run must be true or false, got 'maybe'."),
        (["-x"], "No such option '-x'."),
        (["--lr", "1", "--learning_rate", "2"], "--lr and --learning_rate are the same option"),
        (["--eta", "1", "--lr", "1"], "--eta and --lr are the same option"),
        (["--no-wandb=true"], "--no-wandb takes no value"),
    ],
)
def test_refusals(args: list[str], message: str) -> None:
    assert refusal(*args).startswith(message)


def test_every_field_is_an_option_with_its_default_and_group_in_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit):
        TRAIN.make_context("ffnn train", ["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, info in FIELDS.items():
        option = metadata(info, Option)
        assert f"--{name.replace('_', '-')} {','.join([*option.flags])}" in text
        assert f"[default: {info.default}]".replace("False", "false") in text
        assert f"─ {option.group} ─" in text
        for alias in option.aliases:
            assert f"--{alias.replace('_', '-')} " not in text


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(max_size=8), max_size=4))
def test_whatever_is_typed_ends_in_values_or_a_usage_error(args: list[str]) -> None:
    with suppress(typer.TyperException):
        values = parse(*(arg for arg in args if arg not in ("--help", "-h")))
        assert set(values) <= {param.name for param in TRAIN.params}


def test_a_command_keeps_negative_numbers_and_words_after_two_dashes_as_arguments() -> None:
    from ffcli.cli.parsing import Command

    app = typer.Typer(add_completion=False)

    @app.command(cls=Command)
    def show(words: Annotated[list[str], typer.Argument()], many: bool = False) -> None:
        """Show the words."""

    command: Any = get_command(app)
    params = command.make_context("show", ["-5", "a", "--many", "-.5", "--", "--many=x", "-y"]).params
    assert params == {"words": ["-5", "a", "-.5", "--many=x", "-y"], "many": True}
