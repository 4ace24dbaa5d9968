"""The known datasets, each defined by the digests of its four arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ffcli.core.registry import Registry

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
"""The names of a dataset's four arrays, in the order in which they are listed and digested."""


@dataclass(frozen=True)
class DebianPackage:
    """A Debian package that holds the IDX files in ``folder`` (relative to the root)."""

    name: str
    folder: str


@dataclass(frozen=True)
class DatasetSpec:
    """What makes a dataset the dataset it is, and where it can be had.

    ``digests`` gives for each of `ARRAYS` the SHA-256 of its raw uint8 bytes in C order, without
    any file header; ``shapes`` gives its shape. Whatever yields these bytes is this dataset,
    however it is packed. A mirror is the URL of a Keras-style ``.npz``, or else of a folder (with
    a trailing slash) of the four IDX files.
    """

    name: str
    class_names: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    digests: Mapping[str, str]
    mirrors: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    debian: DebianPackage | None = None
    keras: str | None = None
    homepage: str = ""

    def n_bytes(self, array: str) -> int:
        """Return the size of one of the four arrays, in bytes."""
        return prod(self.shapes[array])


_SHAPES = {"x_train": (60000, 28, 28), "y_train": (60000,), "x_test": (10000, 28, 28), "y_test": (10000,)}
_KERAS_BUCKET = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

KNOWN: Registry[DatasetSpec] = Registry("dataset")


def _know(spec: DatasetSpec) -> None:
    KNOWN.register(spec.name)(spec)


# Xiao, Rasul, Vollgraf 2017, https://arxiv.org/abs/1708.07747
_know(
    DatasetSpec(
        name="fashion_mnist",
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        shapes=_SHAPES,
        digests={
            "x_train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
            "y_train": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
            "x_test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
            "y_test": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        },
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            _KERAS_BUCKET,
        ),
        local=("/usr/share/datasets/fashion-mnist", "~/.keras/datasets/fashion-mnist"),
        debian=DebianPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
        keras="fashion_mnist",
        homepage="https://github.com/zalandoresearch/fashion-mnist#get-the-data",
    )
)

# LeCun, Bottou, Bengio, Haffner 1998, https://doi.org/10.1109/5.726791
_know(
    DatasetSpec(
        name="mnist",
        class_names=tuple("0123456789"),
        shapes=_SHAPES,
        digests={
            "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
            "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        },
        mirrors=(
            _KERAS_BUCKET + "mnist.npz",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        local=("~/.keras/datasets/mnist.npz",),
        keras="mnist",
        homepage=_KERAS_BUCKET + "mnist.npz",
    )
)
