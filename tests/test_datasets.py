"""The contract that all data sets share: items, parts, batches, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import datasets as data

ROOT = Path(__file__).resolve().parents[1]
TWO = np.zeros((2, 4, 4, 3), np.uint8)


def tiny_dataset(count=12, flip=False, class_names=("cat", "dog", "owl")):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    captions = [f"picture {i}" for i in range(count)]
    return data.ImageDataset(images, np.arange(count) % len(class_names), class_names, captions, flip)


def test_item_is_a_picture_in_minus_one_to_one_and_a_one_hot_label():
    dataset = tiny_dataset()
    dataset.images[1] = torch.tensor([0, 255, 51], dtype=torch.uint8)
    image, label = dataset[1]
    assert image.shape == (3, 4, 4) and image.dtype == torch.float32
    assert image[:, 0, 0].tolist() == pytest.approx([-1.0, 1.0, -0.6])
    assert label.tolist() == [0.0, 1.0, 0.0] and label.dtype == torch.float32
    assert dataset.images.dtype == torch.uint8 and dataset.labels.dtype == torch.int64


def test_items_read_together_are_the_items_read_one_by_one():
    dataset = tiny_dataset()
    images, labels = next(iter(data.make_dataloader(dataset, 12, shuffle=False)))
    one_by_one = list(dataset)
    assert torch.equal(images, torch.stack([image for image, _ in one_by_one]))
    assert torch.equal(labels, torch.stack([label for _, label in one_by_one]))


def test_any_kind_of_number_picks_an_item():
    dataset = tiny_dataset()
    for index in (3, -9, np.int64(3), torch.tensor(3)):
        assert torch.equal(dataset[index][0], dataset[3][0]) and dataset[index][1].tolist() == [1, 0, 0]
    part = torch.utils.data.Subset(dataset, torch.tensor([3, 5]))
    images, labels = next(iter(torch.utils.data.DataLoader(part, batch_size=2)))
    assert torch.equal(images[0], dataset[3][0]) and labels.argmax(1).tolist() == [0, 2]
    with pytest.raises(IndexError):
        dataset[12]


def test_flip_mirrors_about_half_and_follows_torch_seed():
    dataset = tiny_dataset(400, flip=True)
    plain = torch.stack([image for image, _ in tiny_dataset(400)])
    torch.manual_seed(3)
    first = torch.stack([image for image, _ in dataset.__getitems__(list(range(400)))])
    torch.manual_seed(3)
    again = torch.stack([image for image, _ in dataset.__getitems__(list(range(400)))])
    mirrored = (first == plain.flip(-1)).flatten(1).all(1)
    assert torch.equal(first, again)
    assert 150 < mirrored.sum() < 250
    assert torch.equal(first[~mirrored], plain[~mirrored])


def test_select_keeps_the_numbers_of_the_classes():
    dataset, owls = tiny_dataset(), tiny_dataset().select("owl")
    assert len(owls) == 4 and owls.labels.tolist() == [2] * 4 and owls[0][1].tolist() == [0.0, 0.0, 1.0]
    assert owls.captions == ["picture 2", "picture 5", "picture 8", "picture 11"]
    assert len(dataset.select(["cat", "owl"])) == 8
    cases = {("cat", "Owl"): r"unknown class 'Owl'.*'cat', 'dog', 'owl'", (): "no class given"}
    for names, message in cases.items():
        with pytest.raises(ValueError, match=message):
            dataset.select(names)
    with pytest.raises(ValueError, match="no images"):
        dataset.select("cat").select("dog")


@pytest.mark.parametrize("indices", [[0, 2], slice(0, 3, 2), torch.tensor([0, 2]), np.arange(12) % 10 == 0])
def test_subset_takes_numbers_slices_and_masks(indices):
    part = tiny_dataset().subset(indices)
    assert len(part) == 2 and part.captions[0] == "picture 0"


def test_repr_tells_size_and_classes():
    assert repr(tiny_dataset()) == "ImageDataset(12 images of 4×4×3: cat 4, dog 4, owl 4)"


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (TWO.astype(np.float32), np.zeros(2, np.int64), r"uint8 of shape \(n, h, w, c\).*float32"),
        (TWO.transpose(0, 3, 1, 2), np.zeros(2, np.int64), r"got torch.uint8 of shape \(2, 3, 4, 4\)"),
        (TWO, np.zeros(3, np.int64), r"int64 of shape \(2,\).*got.*\(3,\)"),
        (TWO, np.array([0, 7]), r"lie in 0 … 1.*got 0 … 7"),
        (TWO[:0], np.zeros(0, np.int64), "no images"),
        (TWO, np.zeros(2, np.int64), "1 captions for 2 images"),
    ],
)
def test_wrong_arrays_are_refused(images, labels, message):
    captions = ["one"] if "captions" in message else None
    with pytest.raises(ValueError, match=message):
        data.ImageDataset(images, labels, ["a", "b"], captions)


def test_dataloader_is_seeded_and_drops_the_incomplete_batch_or_gives_all_in_order():
    def epoch(seed):
        return torch.cat([images for images, _ in data.make_dataloader(tiny_dataset(), 5, seed=seed)])

    assert len(epoch(0)) == 10
    assert torch.equal(epoch(0), epoch(0)) and not torch.equal(epoch(0), epoch(1))
    loader = data.make_dataloader(tiny_dataset(), 5)
    assert not torch.equal(next(iter(loader))[0], next(iter(loader))[0])
    in_order = data.make_dataloader(tiny_dataset(), 5, shuffle=False)
    assert torch.cat([labels for _, labels in in_order]).argmax(1).tolist() == [0, 1, 2] * 4


@pytest.mark.parametrize("batch_size", [13, 0, -1])
def test_impossible_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=rf"from 1 to 12.*got {batch_size}"):
        data.make_dataloader(tiny_dataset(), batch_size)


def test_balanced_batches_hold_rare_classes_as_often_as_common_ones():
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    dataset = data.ImageDataset(np.zeros((1000, 2, 2, 3), np.uint8), labels, "abc")
    drawn = torch.cat([labels for _, labels in data.make_dataloader(dataset, 50, balanced=True)])
    assert len(drawn) == 1000 and drawn.sum(0).min() > 270
    assert list(data.balanced_sampler(dataset, seed=1)) == list(data.balanced_sampler(dataset, seed=1))
    assert list(data.balanced_sampler(dataset, seed=1)) != list(data.balanced_sampler(dataset, seed=2))
    # A class that is not there must not upset the weights of the others.
    assert set(dataset.labels[list(data.balanced_sampler(dataset.select(["a"])))].tolist()) == {0}


def test_importing_the_helpers_stays_light():
    heavy = "'sklearn', 'datasets', 'torchvision', 'diffusers', 'pandas', 'matplotlib'"
    code = f"import sys, helpers.datasets; print([name for name in ({heavy}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
