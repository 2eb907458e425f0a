"""Which images are drawn, and the random numbers: the same seed does the same, whatever the caller drew."""

import itertools

import pytest
import torch
from conftest import Spy, make_dataset, make_noise_scheduler, make_unet, short_run

from helpers.training import ResumableBatchSampler

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(sampler: ResumableBatchSampler) -> list[int]:
    """All the indices that a sampler draws, in order."""
    return list(itertools.chain(*sampler))


def test_each_epoch_sees_each_image_at_most_once_in_an_order_of_its_own():
    order = drawn(ResumableBatchSampler(10, 3, 0, 9, seed=1))
    epochs = [order[i : i + 9] for i in (0, 9, 18)]
    assert all(len(epoch) == len(set(epoch)) == 9 and set(epoch) <= set(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    # What is left over differs from epoch to epoch, or an image would never be seen.
    assert set(drawn(ResumableBatchSampler(10, 3, 0, 60, seed=1))) == set(range(10))
    assert len({tuple(drawn(ResumableBatchSampler(10, 5, 0, 2, seed))) for seed in range(8)}) == 8


@pytest.mark.parametrize("weights", [None, torch.arange(1.0, 11.0)])
@pytest.mark.parametrize("start", [1, 3, 7])
def test_a_sampler_started_late_gives_what_an_early_one_gives_there(start, weights):
    late = ResumableBatchSampler(10, 3, start, 12, 5, weights)
    assert list(late) == list(ResumableBatchSampler(10, 3, 0, 12, 5, weights))[start:]
    assert len(late) == 12 - start


def test_balanced_draws_rare_classes_as_often():
    # Every tenth image is of the rare class.
    plain, balanced = (Spy(make_dataset(200, size=8, rare=10)) for _ in range(2))
    short_run(25, dataset=plain, batch_size=8)
    short_run(25, dataset=balanced, batch_size=8, balanced=True)
    shares = [spy.labels[spy.read].float().mean().item() for spy in (plain, balanced)]
    assert shares == pytest.approx([0.1, 0.5], abs=0.1)
    drawn = {i for i in balanced.read if balanced.labels[i] == 0}
    assert len(drawn) > 50  # and the frequent class with all its variety


def test_same_seed_same_losses_and_weights_bit_for_bit_whatever_the_caller_drew():
    ends, flipped = [], make_dataset(size=8, flip=True)
    for caller in (1, 2):
        torch.manual_seed(caller)
        unet = make_unet(size=8)
        ends.append((short_run(unet=unet, dataset=flipped, seed=3).losses, unet.state_dict()))
    assert ends[0][0] == ends[1][0]
    assert all(torch.equal(weight, ends[1][1][name]) for name, weight in ends[0][1].items())


@pytest.mark.parametrize("seeds", [(0, 1), (3, 3 + 2**31), (-1, 0)])
def test_different_seeds_draw_different_noise(seeds):
    # One image is the whole dataset, so that the order of images makes no difference.
    runs = [short_run(2, dataset=make_dataset(1, size=8), batch_size=1, seed=seed) for seed in seeds]
    assert runs[0].losses[0] != runs[1].losses[0] and runs[0].losses[1] != runs[1].losses[1]


def test_each_step_draws_noise_of_its_own():
    history = short_run(5, dataset=make_dataset(1, size=8), batch_size=1, learning_rate=0.0)
    assert len(set(history.losses)) == 5


def test_the_callers_random_numbers_go_on_undisturbed():
    dataset = make_dataset(size=8, flip=True)  # tosses coins of the global generator
    torch.manual_seed(11)
    before = torch.get_rng_state()
    short_run(dataset=dataset)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError):
        short_run(dataset=dataset, scheduler=make_noise_scheduler("noise"))
    assert torch.equal(torch.get_rng_state(), before)
