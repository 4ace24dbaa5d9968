from __future__ import annotations

import pytest

from ffcli.core.registry import Registry
from ffcli.util.suggest import nearest, unknown


@pytest.fixture
def fruits() -> Registry[int]:
    registry: Registry[int] = Registry("fruit")
    registry.register("apple_pie", "pie")(1)
    registry.register("Banana")(2)
    return registry


def test_a_registry_is_a_mapping_that_ignores_case_hyphens_underscores_and_spaces(fruits):
    assert list(fruits) == ["apple_pie", "Banana"]
    assert len(fruits) == 2
    for name in ("apple_pie", "APPLE-PIE", "ApplePie", "apple pie", " pie ", "Pie"):
        assert fruits[name] == 1
        assert name in fruits
        assert fruits.canonical(name) == "apple_pie"
    assert fruits["banana"] == 2
    assert fruits.canonical("BANANA") == "Banana"
    assert "cherry" not in fruits
    assert 3 not in fruits
    assert dict(fruits) == {"apple_pie": 1, "Banana": 2}


def test_aliases_are_listed_apart(fruits):
    assert fruits.aliases("apple_pie") == ["pie"]


def test_an_unknown_name_is_refused_with_the_nearest(fruits):
    with pytest.raises(ValueError, match=r"'banan' is not a known fruit\. .*Choose one of apple_pie, Banana"):
        fruits["banan"]
    with pytest.raises(ValueError, match="Did you mean 'Banana'"):
        fruits.canonical("banan")


@pytest.mark.parametrize("names", [("pie",), ("APPLE-pie",), ("plum", "banana")])
def test_a_name_is_taken_once(fruits, names):
    with pytest.raises(ValueError, match="registered twice"):
        fruits.register(*names)(3)


def test_nearest_or_nothing():
    assert nearest("Adma", ["sgd", "adam"]) == "adam"
    assert nearest("learning-rte", ["learning_rate", "loss"]) == "learning_rate"
    assert nearest("rms", ["nadam", "rmsprop"]) == "rmsprop"
    assert nearest("error", ["squared_error", "cross_entropy"]) is None
    assert nearest("cross", ["squared_error", "cross_entropy"]) == "cross_entropy"
    assert nearest("MAX", ["minimize", "maximize"]) == "maximize"
    assert nearest("ma", ["minimize", "maximize"]) is None
    assert nearest("opt", ["optimizer_state", "option"]) is None, "two begin with it"
    assert nearest("eta", ["beta"]) is None, "a typing error keeps the first letter"
    assert nearest("sdg", ["sgd", "adam"]) == "sgd"
    assert nearest("bear", ["bean", "beat"]) is None, "both are one letter away"
    assert nearest("zzz", ["sgd", "adam"]) is None
    assert unknown("colour", "zzz", ["red"]) == "'zzz' is not a known colour. Choose one of red."


def test_what_is_quoted_is_one_line_of_80_letters_at_most():
    def quoted(word: str) -> str:
        return unknown("colour", word, ["red"]).rpartition("'")[0].removeprefix("'")

    assert quoted("a\nb  c") == "a b  c"
    assert quoted("x" * 80) == "x" * 80
    assert quoted("x" * 81) == "x" * 77 + "..."
