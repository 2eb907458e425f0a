"""Data sets of the Hub and Fashion-MNIST: found, fetched, and quickly given up without a network."""

import functools
import gzip
import hashlib
import http.server
import socket
import struct
import threading

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import FashionMNIST

from helpers import datasets as data
from helpers.datasets.online import ask_server

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def no_network(monkeypatch):
    """A Hub that nobody answers for, and no proxy in between."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOWHERE)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub_library(tmp_path, monkeypatch):
    """The Hub's library, with a cache of its own."""
    import datasets as library

    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    library.disable_progress_bars()
    return library


@pytest.fixture
def table(hub_library):
    features = hub_library.Features(
        {"picture": hub_library.Image(), "kind": hub_library.ClassLabel(names=["red", "blue"])}
    )
    pictures = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "red")]
    return hub_library.Dataset.from_dict({"picture": pictures, "kind": [0, 1, 0]}, features=features)


def check_table(dataset):
    assert dataset.images.shape == (3, 8, 8, 3) and dataset.class_names == ("red", "blue")
    assert dataset.labels.tolist() == [0, 1, 0] and dataset.images[1, 0, 0].tolist() == [0, 0, 255]


def test_local_copies_of_hub_datasets_need_no_network(no_network, hub_library, table, tmp_path):
    (tmp_path / "parquet").mkdir()
    table.to_parquet(tmp_path / "parquet" / "train.parquet")
    check_table(data.load_hub_dataset(tmp_path / "parquet", 8))
    assert len(data.load_hub_dataset(tmp_path / "parquet", 8, split="train[:2]")) == 2
    table.save_to_disk(tmp_path / "saved")
    check_table(data.load_hub_dataset(tmp_path / "saved", 8))
    with pytest.raises(ValueError, match="holds no splits: leave split"):
        data.load_hub_dataset(tmp_path / "saved", 8, split="train[:2]")
    hub_library.DatasetDict({"train": table}).save_to_disk(tmp_path / "splits")
    check_table(data.load_hub_dataset(tmp_path / "splits", 8))
    with pytest.raises(ValueError, match=r"unknown split 'test'.*train"):
        data.load_hub_dataset(tmp_path / "splits", 8, split="test")
    for kind in ("cat", "dog"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        Image.new("RGB", (20, 10)).save(tmp_path / "pets" / kind / "a.png")
    assert data.load_hub_dataset(tmp_path / "pets", 8).class_names == ("cat", "dog")


def test_what_was_downloaded_before_works_offline(no_network, hub_library, table, tmp_path):
    (tmp_path / "flowers").mkdir()
    table.to_parquet(tmp_path / "flowers" / "train.parquet")
    hub_library.load_dataset(str(tmp_path / "flowers"))
    cache = tmp_path / "cache"
    (cache / "flowers").rename(cache / "someone___flowers")  # as if it came from the Hub
    check_table(data.load_hub_dataset("someone/flowers", 8))
    assert hub_library.config.HF_HUB_OFFLINE is False


def test_tables_without_labels_or_pictures(hub_library, table, tmp_path):
    table.remove_columns("kind").save_to_disk(tmp_path / "plain")
    dataset = data.load_hub_dataset(tmp_path / "plain", 8)
    assert dataset.class_names == ("images",) and dataset.labels.tolist() == [0, 0, 0]
    table.remove_columns("picture").save_to_disk(tmp_path / "words")
    with pytest.raises(ValueError, match="no column of images; its columns are kind"):
        data.load_hub_dataset(tmp_path / "words", 8)
    rows = {"picture": [{"bytes": b"hello", "path": None}], "kind": [0]}
    hub_library.Dataset.from_dict(rows, features=table.features).save_to_disk(tmp_path / "bad")
    with pytest.raises(ValueError, match="image in row 0 of"):
        data.load_hub_dataset(tmp_path / "bad", 8)


def test_missing_local_folder_is_not_sought_on_the_hub(no_network):
    for name in ("./my/pictures", "../pictures", "a/b/c"):
        with pytest.raises(FileNotFoundError, match=r"Expected a local folder or a name on the Hub"):
            data.load_hub_dataset(name, 8)


def assert_offline(load, *words):
    with pytest.raises(ConnectionError) as caught:
        load()
    assert all(word in str(caught.value) for word in ("offline", "load_sprites", "load_image_folder", *words))


@pytest.mark.parametrize("why", ["does not answer", "HF_HUB_OFFLINE is set", "a server never answers"])
def test_hub_out_of_reach(no_network, hub_library, monkeypatch, why):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", why == "HF_HUB_OFFLINE is set")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if why == "a server never answers":
            why = f"http://127.0.0.1:{silent.getsockname()[1]}"
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", why)
        words = [NOWHERE] if why == "does not answer" else []
        assert_offline(lambda: data.load_hub_dataset("someone/flowers", 8), "someone/flowers", why, *words)


def test_a_name_server_that_hangs_is_not_waited_for(monkeypatch):
    hang = threading.Event()

    def never_answers(*args, **kwargs):
        hang.wait(20)
        answered.append(True)
        raise socket.gaierror("no answer")

    answered = []
    monkeypatch.setattr(socket, "getaddrinfo", never_answers)
    assert not ask_server("http://somewhere.example", timeout=0.2)()
    assert not answered  # the look-up still hangs
    hang.set()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, True), (502, False)])
def test_a_server_that_answers_is_reachable(monkeypatch, status, answers):
    class Handler(QuietHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

    monkeypatch.setenv("no_proxy", "*")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert ask_server(f"http://127.0.0.1:{server.server_port}")() is answers


def fashion_files(count=7):
    """The four files of the set, in its own format, with a few pictures."""
    pictures = np.zeros((count, 28, 28), np.uint8)
    pictures[:, :, 14:] = 255
    images = struct.pack(">4i", 2051, count, 28, 28) + pictures.tobytes()
    labels = struct.pack(">2i", 2049, count) + bytes(range(count))
    kinds = {"images-idx3-ubyte": images, "labels-idx1-ubyte": labels}
    return {f"{part}-{kind}": content for part in ("train", "t10k") for kind, content in kinds.items()}


def test_fashion_mnist_that_is_already_there(no_network, tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in fashion_files().items():
        (raw / name).write_bytes(content)
    dataset = data.load_fashion_mnist(tmp_path)
    assert dataset.images.shape == (7, 16, 16, 3) and dataset.labels.tolist() == list(range(7))
    assert dataset.class_names[0] == "T-shirt/top" and len(dataset.class_names) == 10
    assert (dataset.images[:, :, :7] == 0).all() and (dataset.images[:, :, 9:] == 255).all()
    (raw / "t10k-images-idx3-ubyte").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"FashionMNIST.*Delete that folder"):
        data.load_fashion_mnist(tmp_path, train=False)


def test_fashion_mnist_without_a_network(no_network, tmp_path, monkeypatch):
    monkeypatch.setattr(FashionMNIST, "mirrors", [NOWHERE])
    assert_offline(lambda: data.load_fashion_mnist(tmp_path / "new"), "Fashion-MNIST")
    assert not (tmp_path / "new").exists()


def test_fashion_mnist_download_lands_whole(tmp_path, monkeypatch):
    served = tmp_path / "served"
    served.mkdir()
    for name, content in fashion_files().items():
        (served / f"{name}.gz").write_bytes(gzip.compress(content))
    sums = [(file.name, hashlib.md5(file.read_bytes()).hexdigest()) for file in served.iterdir()]
    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(QuietHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(FashionMNIST, "resources", [(name, "0" * 32) for name, _ in sums])
        with pytest.raises(ConnectionError, match="broke off"):
            data.load_fashion_mnist(tmp_path / "root")
        monkeypatch.setattr(FashionMNIST, "resources", sums)
        assert len(data.load_fashion_mnist(tmp_path / "root")) == 7
        server.shutdown()
    raw = tmp_path / "root" / "FashionMNIST" / "raw"
    assert {file.name: file.read_bytes() for file in raw.iterdir() if not file.suffix} == fashion_files()
