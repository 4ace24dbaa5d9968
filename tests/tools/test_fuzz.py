"""What the fuzzer begins with is sound, so that it gets past the first check of each reader."""

import pytest

from ffcli.errors import FfnnError
from tools.fuzz import TARGETS, targets


def test_every_target_can_be_named(tmp_path):
    assert set(targets(tmp_path)) == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_takes_sound_inputs_and_refuses_others(name, tmp_path):
    read, sound = targets(tmp_path)[name]
    assert sound
    for content in sound:
        read(content)
    wrong = [b"{", b"\0" * 100]
    if name not in ("history", "study"):  # whose last line may be torn
        wrong.append(sound[0][: len(sound[0]) // 2] + b"\0")
    for content in wrong:
        with pytest.raises(ValueError if name == "yaml" else FfnnError):
            read(content)
