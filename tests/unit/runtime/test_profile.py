"""A hardware profile in Ray's terms; what Ray would only wait for is refused."""

import pytest

from fabric.core.errors import ConfigError
from fabric.runtime.profile import Profile


def test_it_maps_to_rays_resources_and_label_selectors() -> None:
    profile = Profile("tdx", 2.5, 1 << 30, 1.0, "H100", {"tee": "tdx"})
    assert profile.ray_options() == {
        "num_cpus": 2.5,
        "num_gpus": 1.0,
        "memory": 1 << 30,
        "accelerator_type": "H100",
        "label_selector": {"tee": "tdx"},
    }
    assert set(Profile().ray_options()) == {"num_cpus", "num_gpus", "memory"}


@pytest.mark.parametrize("amount", ["cpus", "memory", "gpus"])
def test_a_negative_amount_is_refused(amount: str) -> None:
    with pytest.raises(ConfigError, match="not negative"):
        Profile(**{amount: -1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "labels", [{"a": "b c"}, {"": "b"}, {"a": ""}, {"a" * 64: "b"}], ids=["space", "no key", "empty", "long"]
)
def test_what_is_no_label_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="is no label"):
        Profile(labels=labels)
