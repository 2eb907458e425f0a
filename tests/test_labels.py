"""Labels in every form they may have, and the embedder that turns them into what a UNet attends to."""

import numpy as np
import pytest
import torch
from test_pipelines import NAMES, make_pipeline

from helpers.pipelines import LabelEmbedder, to_label_tensor

NUMBERS, ROWS, FOOD = [0, 2], [[1, 0, 0], [0, 0, 1]], [0.0, 1, 0]
FORMS = [["hero", "spell"], ("hero", "spell"), NUMBERS, ["hero", 2], [np.int64(0), np.int64(2)], ROWS]
FORMS += [np.array(NUMBERS), torch.tensor(NUMBERS), torch.tensor(NUMBERS, dtype=torch.int32)]
FORMS += [torch.tensor(ROWS), np.array(ROWS, float), torch.tensor(ROWS, dtype=torch.bfloat16)]
FORMS += [torch.tensor(ROWS).bool(), [torch.tensor(0), torch.tensor([0.0, 0, 1])]]


@pytest.mark.parametrize("labels", FORMS)
def test_labels_are_taken_in_every_form(labels):
    tensor = to_label_tensor(labels, 3, NAMES)
    assert tensor.dtype == torch.float32
    assert torch.equal(tensor, torch.tensor([[1.0, 0, 0], [0, 0, 1]]))


# A one-hot row, or one of floats or bools, is one label; other integers in a row are class numbers.
@pytest.mark.parametrize(
    "label", ["food", 1, torch.tensor(1), torch.tensor(FOOD), np.array(FOOD) > 0, torch.tensor(FOOD).long()]
)
def test_single_soft_and_integer_labels(label):
    assert torch.equal(to_label_tensor(label, 3, NAMES), torch.tensor([FOOD]))
    assert torch.equal(to_label_tensor([[0.5, 0.5, 0]], 3, NAMES), torch.tensor([[0.5, 0.5, 0]]))
    assert torch.equal(to_label_tensor(torch.tensor([0, 2, 0]), 3), torch.eye(3)[[0, 2, 0]])
    assert torch.equal(to_label_tensor(torch.tensor([0, 1]), 3), torch.eye(3)[[0, 1]])


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (["dragon"], ValueError, "unknown class 'dragon'"),
        ([3], ValueError, "class number 3 is out of range"),
        ([-1], ValueError, "class number -1 is out of range"),
        ([[1, 0]], ValueError, r"a row of labels must be 3 finite numbers; got \(2,\)"),
        ([[1, 0, float("nan")]], ValueError, "3 finite numbers"),
        (torch.zeros(2, 4), ValueError, r"got \(4,\)"),
        (torch.zeros(4), ValueError, r"got \(4,\)"),
        (torch.zeros(1, 1, 3), ValueError, r"got \(1, 3\)"),
        ([], ValueError, "class_labels is empty"),
        (torch.zeros(0, 3), ValueError, "class_labels is empty"),
        ([1.5], TypeError, "class numbers must be integers; got 1.5"),
        (None, TypeError, "got NoneType"),
        ([None], TypeError, "None is neither a class name"),
        ([["hero", "food", "spell"]], TypeError, "is neither a class name"),
    ],
)
def test_wrong_labels_are_refused_and_the_classes_listed(labels, error, words):
    with pytest.raises(error, match=words) as caught:
        make_pipeline()(labels)
    assert "the classes are 0 = 'hero', 1 = 'food', 2 = 'spell'" in str(caught.value)


def test_embedder_makes_a_sequence_of_one():
    embedder = LabelEmbedder(3, 12)
    labels = torch.eye(3)
    assert embedder(labels).shape == (3, 1, 12)
    first, last = embedder.layers[0], embedder.layers[2]
    by_hand = torch.nn.functional.gelu(labels @ first.weight.T + first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(embedder(labels)[:, 0], by_hand)
    assert embedder(labels.long()).dtype == torch.float32  # the classic mistake is mended, not punished
    assert embedder.to(torch.bfloat16)(labels).dtype == torch.bfloat16


def test_embedder_drops_labels_in_training_only():
    embedder = LabelEmbedder(3, 12, label_dropout=0.3)
    labels = torch.eye(3).repeat(1000, 1)
    nothing = embedder.eval()(torch.zeros(1, 3))
    assert not (embedder(labels) == nothing).all(-1).any()
    torch.manual_seed(0)
    dropped = torch.isclose(embedder.train()(labels), nothing).all(-1).float().mean()
    assert dropped == pytest.approx(0.3, abs=0.03)


def test_embedder_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="got 2 class names for 3 classes"):
        LabelEmbedder(3, 12, ("a", "b"))
    for value in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"label_dropout must lie in \[0, 1\)"):
            LabelEmbedder(3, label_dropout=value)
