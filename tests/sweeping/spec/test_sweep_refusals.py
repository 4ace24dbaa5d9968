from __future__ import annotations

import re
from pathlib import Path

import pytest

from ffcli.errors import RequestError
from ffcli.sweeping.spec.spec import load_spec, parse_spec

OK = "method: random\nparameters: {epochs: {value: 1}}\n"


def refused(text: str) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_spec(text, "a.yaml")
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("a.yaml: ")
    assert "\n" not in str(caught.value)
    return caught.value


# The lines of one parameter, and what the message must hold.
PARAMETERS = [
    (
        "optimizer: {values: [sgd, adm]}",
        "parameters.optimizer.values[1]: 'adm' is not",
        "Did you mean 'adam'?",
    ),
    ("optimizr: {value: sgd}", "parameters.optimizr: 'optimizr' is not", "Did you mean 'optimizer'?"),
    ("5: {value: 1}", "parameters: the key 5 is not a word", ""),
    ("threads: {values: [1, 2]}", "parameters.threads: 'threads' is not a known hyper-parameter", "seed"),
    (
        "num_layers: {value: 1}\n  hidden_layers: {value: 1}",
        "parameters: num_layers is given twice, as num_layers and as hidden_layers",
        "",
    ),
    (
        "epochs: {value: 1}\n  epochs: {value: 2}",
        "parameters.epochs: this key is given twice, again in line 4",
        "",
    ),
    ("epochs: {value: 1, value: 2}", "parameters.epochs.value: this key is given twice", ""),
    ("epochs: 5", "parameters.epochs must be a mapping such as {value", ""),
    ("epochs: {}", "parameters.epochs: it needs value, values, min and max", ""),
    ("epochs: {value: 0}", "parameters.epochs.value must be an integer ≥ 1", ""),
    ("epochs: {value: null}", "parameters.epochs.value must be ", ""),
    ("epochs: {value: yes}", "parameters.epochs.value must be ", ""),
    ("epochs: {value: {a: 1}}", "parameters.epochs.value must be an integer ≥ 1, got {'a': 1}", ""),
    ("epochs: {value: 2.5}", "parameters.epochs.value must be ", "an integer"),
    ("epochs: {values: 5}", "parameters.epochs.values must be a list", ""),
    ("epochs: {values: []}", "parameters.epochs.values must be ", ""),
    ("epochs: {values: [1, [2]]}", "parameters.epochs.values[1] must be ", ""),
    ("hidden_size: {values: [32, []]}", "parameters.hidden_size.values[1] must be", "128,64"),
    ("epochs: {value: 1, values: [1]}", "parameters.epochs.values: values does not go with constant", ""),
    ("epochs: {values: [1], min: 1}", "parameters.epochs.min: min does not go with categorical", ""),
    ("epochs: {min: 1}", "parameters.epochs: it needs value", ""),
    ("epochs: {distribution: int_uniform, min: 1}", "parameters.epochs: max is missing", "min and max"),
    ("epochs: {min: 5, max: 5}", "parameters.epochs: min 5 is not less than max 5", ""),
    ("epochs: {min: 0, max: 5}", "parameters.epochs.min must be an integer ≥ 1", ""),
    ("epochs: {min: 1, max: 5, q: 2}", "parameters.epochs.q: q does not go with int_uniform", "q_uniform"),
    ("epochs: {min: true, max: 5}", "parameters.epochs.min must be a number", ""),
    ("epochs: {min: 1, max: '5'}", "parameters.epochs.max must be a number", ""),
    (
        "epochs: {distribution: int_uniform, min: 1.0, max: 5}",
        "epochs.min must be an int",
        "",
    ),
    ("seed: {min: 0, max: 9999999999999999999999}", "parameters.seed.max must be a number", ""),
    (
        "momentum: {min: 0.5, max: 1.0}",
        "parameters.momentum.max must be a number in [0, 1)",
        "",
    ),
    ("momentum: {min: 0.5, max: .inf}", "parameters.momentum.max must be a number", ""),
    ("momentum: {min: .nan, max: 0.9}", "parameters.momentum.min must be ", ""),
    (
        "weight_decay: {min: -1.7e308, max: 1.7e308}",
        "parameters.weight_decay: min and max are too far apart",
        "",
    ),
    ("batch_size: {min: 16.0, max: 64}", "parameters.batch_size must be an integer", ""),
    (
        "batch_size: {distribution: q_uniform, min: 1, max: 9, q: 1.5}",
        "parameters.batch_size must be an integer ≥ 1, got 1.5",
        "",
    ),
    (
        "batch_size: {distribution: q_uniform, min: 1, max: 9, q: 4}",
        "parameters.batch_size must be an integer ≥ 1, got 0",
        "",
    ),
    ("seed: {distribution: q_normal, q: 0.5, sigma: 0.01}", "parameters.seed must be ", ""),
    (
        "epochs: {distribution: q_uniform, min: 1, max: 9, q: 0}",
        "epochs.q must be a number > 0",
        "",
    ),
    (
        "weight_decay: {distribution: q_uniform, min: 1, max: 1e300, q: 1e-300}",
        "q must be ",
        "",
    ),
    (
        "learning_rate: {distribution: unifrom, min: 1, max: 2}",
        "learning_rate.distribution: 'unifrom'",
        "'uniform'?",
    ),
    (
        "learning_rate: {distribution: uniformly, min: 1, max: 2}",
        "distribution: 'uniformly' is not",
        "",
    ),
    ("learning_rate: {distribution: [a]}", "learning_rate.distribution must be one of", ""),
    (
        "learning_rate: {distribution: log_uniform_values, min: 0, max: 1}",
        "min must be ",
        "number > 0",
    ),
    ("learning_rate: {distribution: log_uniform, min: -900, max: 1}", "natural logarithms", ""),
    (
        "momentum: {distribution: log_uniform, min: 0.1, max: 0.9}",
        "parameters.momentum must be a number in [0, 1), got 1.1051709",
        "",
    ),
    (
        "learning_rate: {distribution: normal, sigma: 0}",
        "learning_rate.sigma must be ",
        "number > 0",
    ),
    (
        "learning_rate: {distribution: normal, min: 0}",
        "learning_rate.min: min does not go with normal",
        "mu, sigma",
    ),
    (
        "learning_rate: {distribution: normal}",
        "parameters.learning_rate must be a number > 0, got -3.09",
        "number > 0",
    ),
    (
        "learning_rate: {distribution: log_normal, mu: 800}",
        "mu and sigma reach numbers that are too large",
        "",
    ),
    ("momentum: {distribution: beta, a: 0}", "parameters.momentum.a must be ", "number > 0"),
    ("momentum: {distribution: beta, b: 1e7}", "parameters.momentum.b must be ", "100000"),
    ("momentum: {distribution: q_beta, q: 0.5}", "parameters.momentum must be ", "[0, 1)"),
    (
        "epochs: {values: [1, 2], probabilities: [1]}",
        "epochs.probabilities: expected one for each of 2 values, got 1",
        "",
    ),
    ("epochs: {values: [1, 2], probabilities: [0.5, 0.6]}", "probabilities: they sum to 1.1, not to 1", ""),
    ("epochs: {values: [1, 2], probabilities: [2, -1]}", "epochs.probabilities[1] must be ", "≥ 0"),
    ("epochs: {values: [1, 2], probabilities: [a, b]}", "epochs.probabilities[0] must be ", ""),
    (
        "epochs: {distribution: categorical, values: [1, 2], probabilities: [0.5, 0.5]}",
        "parameters.epochs.probabilities: probabilities go with categorical_w_probabilities",
        "",
    ),
    ("epochs: {parameters: {a: {value: 1}}}", "parameters.epochs.parameters.a: 'epochs.a' is not", ""),
    ("epochs: {vaule: 1}", "parameters.epochs.vaule: 'vaule' is not a known key", "Did you mean 'value'?"),
    (
        "hidden_size: {values: [64, [64, 32]]}\n  num_layers: {values: [2, 3]}",
        "parameters.num_layers: hidden_size 64,32 makes 2 hidden layers and contradicts 2, 3",
        "",
    ),
    (
        "seed: {distribution: q_uniform, min: 1, max: 2, q: 1.6e-133}",
        "parameters.seed: not all that q_uniform gives is an integer",
        "",
    ),
    (
        "seed: {distribution: uniform, min: 0.0, max: 1.0e+18}",
        "parameters.seed: not all that uniform gives is an integer",
        "",
    ),
    (
        "epochs: {distribution: q_normal, mu: 1.0e+17, q: 0.5}",
        "not all that q_normal gives is an integer",
        "",
    ),
    ("dataset: {value: mnits}", "parameters.dataset.value: 'mnits' is not a known dataset", "'mnist'"),
]


@pytest.mark.parametrize(("lines", "message", "also"), PARAMETERS, ids=[row[0][:60] for row in PARAMETERS])
def test_a_parameter_that_cannot_be_is_refused(lines, message, also):
    error = refused(f"method: random\nparameters:\n  {lines}")
    assert message in str(error)
    assert also in str(error)


def test_hints_say_what_else_to_do():
    text = "method: random\nparameters:\n  "
    assert "int_uniform and the q_" in (refused(f"{text}batch_size: {{min: 16.0, max: 64}}").hint or "")
    logs = refused(f"{text}momentum: {{distribution: log_uniform, min: 0.1, max: 0.9}}")
    assert "log_uniform gives 1.10517 to 2.4596" in (logs.hint or "")
    assert "log_uniform_values takes the numbers themselves" in (logs.hint or "")


@pytest.mark.parametrize(
    "parameter",
    [
        "learning_rate: {min: 0.1, max: 1.0}",
        "learning_rate: {distribution: log_uniform_values, min: 0.1, max: 1.0}",
        "learning_rate: {distribution: log_normal}",
        "epochs: {distribution: q_log_uniform_values, min: 1, max: 9}",
        "epochs: {values: [1, 2], probabilities: [0.5, 0.5]}",
    ],
)
def test_a_grid_refuses_what_wandbs_grid_refuses(parameter):
    assert parse_spec(f"method: random\nparameters:\n  {parameter}")
    error = refused(f"method: grid\nparameters:\n  {parameter}")
    assert f"parameters.{parameter.split(':')[0]}: method grid cannot walk through" in str(error)
    assert "q_uniform" in (error.hint or "")


TOPS = [
    ("parameters: {epochs: {value: 1}}", "a.yaml: method is missing: one of bayes, random, grid"),
    ("method: random", "parameters is missing"),
    ("method: random\nparameters: {}", "parameters: there is no parameter to search"),
    ("method: random\nparameters: [1]", "parameters must be a mapping"),
    (
        "method: bays\nparameters: {epochs: {value: 1}}",
        "method: 'bays' is not a known method. Did you mean 'bayes'?",
    ),
    ("method: custom\nparameters: {epochs: {value: 1}}", "method: the search of another program"),
    ("method: [grid]\nparameters: {epochs: {value: 1}}", "method must be one of bayes, random, grid"),
    ("method: bayes\nparameters: {epochs: {value: 1}}", "metric is missing: method bayes needs one"),
    (OK + "early_terminate: {type: hyperband, min_iter: 1}", "metric is missing: early_terminate needs one"),
    (OK + "parametres: {}", "parametres: 'parametres' is not a known key of a sweep file"),
    (OK + "metrics: [{name: val_acc}, {name: val_loss}]", "metrics: a sweep here has one goal"),
    (OK + "1: 2", "the key 1 is not a word"),
    (OK + "metric: val_acc", "metric must be a mapping"),
    (OK + "metric: {goal: maximize}", "metric: name is missing: one of train_loss"),
    (OK + "metric: {name: val_accurcy}", "metric.name: 'val_accurcy' is not a known metric"),
    (OK + "metric: {name: test_accuracy}", "metric.name: test_accuracy is of the test images"),
    (OK + "metric: {name: 5}", "metric.name must be text"),
    (
        OK + "metric: {name: val_acc, goal: maxmize}",
        "metric.goal: 'maxmize' is not a known goal. Did you mean 'maximize'?",
    ),
    (OK + "metric: {name: val_acc, target: high}", "metric.target must be a number"),
    (OK + "metric: {name: val_acc, imput: best}", "metric.imput: 'imput' is not a known key of metric"),
    (OK + "run_cap: 0", "run_cap must be an integer ≥ 1"),
    (OK + "run_cap: many", "run_cap must be "),
    (OK + "name: 5", "name must be text"),
    (OK + "description: ''", "description must be text"),
    (OK + "project: 2024-01-01", "project must be "),
    (OK + "command: ffnn train", "command must be a list"),
    (OK + "command: [ffnn, [5]]", "command[1]: expected text or a number, got [5]"),
    (OK + "command: [ffnn, train, --dataset=mnist]", "command[2]: --dataset would be ignored"),
    (OK + "command: [x.py, --Hidden-Layers, '3']", "give parameters.num_layers: {value: …}"),
]


@pytest.mark.parametrize(("text", "message"), TOPS, ids=[row[1][:50] for row in TOPS])
def test_what_stands_at_the_top_is_checked(text, message):
    assert message in str(refused(text))


@pytest.mark.parametrize("layers", [99, 100])
def test_the_values_on_which_the_effect_of_others_depends_are_bounded(layers):
    """100 folds and none with so many numbers of layers, of which 0 makes hidden_size idle."""
    folds = ", ".join(["none", *(f"{fold}/100" for fold in range(1, 101))])
    text = (
        "method: grid\nparameters:\n  hidden_size: {values: [4, 8]}\n  val_fraction: {value: 0.1}\n"
        f"  num_layers: {{values: {list(range(layers))}}}\n  fold: {{values: [{folds}]}}\n"
    )
    if layers == 99:
        assert parse_spec(text).size == 101 * (1 + 98 * 2)
        return
    with pytest.raises(RequestError, match=r"fold and num_layers have 10100 combinations"):
        parse_spec(text)


def test_the_nearest_match_is_named():
    assert "Did you mean 'bayes'?" in str(refused(TOPS[4][0]))
    assert "Did you mean 'parameters'?" in str(refused(OK + "parametres: {}"))
    assert "Did you mean 'val_acc'?" in str(refused(OK + "metric: {name: val_accurcy}"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{min_iter: 1}", "early_terminate: type is missing: expected hyperband"),
        (
            "{type: envelope, min_iter: 1}",
            "early_terminate.type: 'envelope' is not a known type. Choose one of hyperband",
        ),
        ("{type: hyperband}", "early_terminate: min_iter is missing, or else max_iter with s"),
        ("{type: hyperband, max_iter: 9}", "early_terminate: s is missing: max_iter goes with it"),
        ("{type: hyperband, max_iter: 9, min_iter: 1}", "early_terminate: s is missing"),
        ("{type: hyperband, s: 2}", "early_terminate: min_iter is missing"),
        ("{type: hyperband, min_iter: 0}", "early_terminate.min_iter must be an integer ≥ 1"),
        ("{type: hyperband, max_iter: 9, s: 1.5}", "early_terminate.s must be an integer"),
        (
            "{type: hyperband, min_iter: 1, eta: 1}",
            "early_terminate.eta must be a number > 1",
        ),
        (
            "{type: hyperband, min_iter: 1, strict: 1}",
            "early_terminate.strict must be true or false",
        ),
        ("{type: hyperband, max_iter: 2, s: 2}", "early_terminate.max_iter: max_iter 2 is less than eta 3"),
        ("{type: hyperband, min_iters: 2}", "early_terminate.min_iters: 'min_iters' is not a known key"),
        ("hyperband", "early_terminate must be a mapping"),
    ],
)
def test_early_termination_is_checked(section, message):
    assert message in str(refused(f"{OK}metric: {{name: val_loss}}\nearly_terminate: {section}"))


BOMB = "\n".join(
    [f"a0: &a0 [{'x, ' * 9}x]", *(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}*a{i - 1}]" for i in range(1, 12))]
)
MERGES = "\n".join(
    ["a0: &a0 {x: 1}", *(f"a{i}: &a{i} {{<<: [{f'*a{i - 1}, ' * 9}*a{i - 1}]}}" for i in range(1, 12))]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got an empty file"),
        ("# only this", "got an empty file"),
        ("- a", "got a list"),
        ("random", "got a bare value"),
        ("method: [", "this is not YAML in line 1"),
        ("method: random\n---\nmethod: grid", "this is not YAML in line 2"),
        ("method: \x00", "this is not YAML"),
        ("method: *missing", "this is not YAML"),
        ("method: !!python/object/apply:os.system [ls]", "this is not YAML"),
        ("method: !!int ''", "this is not YAML"),
        ("method: !!timestamp x", "this is not YAML"),
        ("method: 2024-99-99", "this is not YAML"),
        ("? [a]\n: 1", "this is not YAML"),
        ("a: " + "9" * 5000, "a.yaml: "),
        ("a: " + "[" * 600, "this is not YAML"),
        ("a: &a [*a]", "a[0]: it contains itself"),
        (BOMB, "it unfolds to more than 50000 values"),
        (MERGES, "it unfolds to more than 50000 values"),
        ("a: " + "x" * (1 << 18), "larger than 262,144 bytes"),
    ],
)
def test_what_is_no_sensible_yaml_is_refused(text, message):
    assert message in str(refused(text))


def test_a_long_value_does_not_flood_the_message():
    assert len(str(refused(f"{OK}name: {[*range(5000)]}"))) < 200


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    cases: dict[Path, str] = {
        tmp_path / "none.yaml": "there is no such sweep file",
        tmp_path: "got a folder",
    }
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    cases[tmp_path / "latin.yaml"] = "not a text file in UTF-8"
    (tmp_path / "large.yaml").write_bytes(b"#" * (1 << 19))
    cases[tmp_path / "large.yaml"] = "larger than 262,144 bytes"
    (tmp_path / "large.csv").write_bytes(b"1,2\n" * (1 << 17))
    cases[tmp_path / "large.csv"] = "got a table of data"
    (tmp_path / "page.yaml").write_text("<!DOCTYPE html><html></html>")
    cases[tmp_path / "page.yaml"] = "got a web page"
    (tmp_path / "bad.yaml").write_text("method: gird\nparameters: {}")
    cases[tmp_path / "bad.yaml"] = "method: 'gird' is not"
    cases[tmp_path / ("x" * 300)] = "it cannot be read"
    for path, message in cases.items():
        with pytest.raises(RequestError, match=re.escape(message)) as caught:
            load_spec(path)
        assert str(caught.value).startswith(f"{path}: ")
