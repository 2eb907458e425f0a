"""The order in which a run sees its images: seeded, and the same after a resume."""

from collections.abc import Iterator
from itertools import count

import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate


def mix_seed(seed: int, number: int) -> int:
    """Turn a seed and a step or epoch into one seed of 32 bits: the CPU's generator takes no more."""
    return (seed * 0x9E3779B1 + number) % 2**32


class ResumableBatchSampler(Sampler):
    """Batches of indices number start, start + 1, ..., stop - 1; each epoch is a new seeded permutation.

    With `weights`, a float Tensor [num_images], an epoch draws with replacement, each image by its weight.
    What an epoch leaves over, fewer than `batch_size` images, is left out of it. Of several processes,
    `share` = (this one, how many), each gets as many images of every batch.
    """

    def __init__(
        self, num_images: int, batch_size: int, start: int, stop: int, seed: int, weights=None, share=(0, 1)
    ):
        self.num_images, self.batch_size, self.seed, self.weights = num_images, batch_size, seed, weights
        self.start, self.stop, self.share = start, stop, share

    def __len__(self):
        return self.stop - self.start

    def __iter__(self):
        per_epoch, epoch, order = self.num_images // self.batch_size, None, None
        for batch in range(self.start, self.stop):
            if batch // per_epoch != epoch:
                epoch = batch // per_epoch
                generator = torch.Generator().manual_seed(mix_seed(self.seed, epoch))
                if self.weights is None:
                    order = torch.randperm(self.num_images, generator=generator)
                else:
                    order = torch.multinomial(self.weights, self.num_images, True, generator=generator)
            position = batch % per_epoch * self.batch_size
            index, processes = self.share
            part = self.batch_size // processes
            yield order[position + index * part :][:part].tolist()


class SeededReader(Dataset):
    """Read whole batches, each with random numbers of its own: the same in any worker and after a resume."""

    def __init__(self, dataset: Dataset, seed: int):
        self.dataset, self.seed = dataset, seed

    def __getitem__(self, numbered: tuple[int, list[int]]):
        number, indices = numbered
        read = getattr(self.dataset, "__getitems__", lambda indices: [self.dataset[i] for i in indices])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix_seed(self.seed, number))
            return default_collate(read(indices))


def read_batches(dataset: Dataset, sampler: ResumableBatchSampler, num_workers: int = 0) -> Iterator:
    """Read the batches of the sampler, with `num_workers` processes that read ahead if it is above 0.

    One process alone reads with the random numbers of its step. Workers and several processes cannot: they
    get random numbers by batch and process.
    """
    index, processes = sampler.share
    if num_workers == 0 and processes == 1:
        return iter(DataLoader(dataset, batch_sampler=sampler))
    reader = SeededReader(dataset, mix_seed(sampler.seed, -1 - index))
    numbered = _Numbered(sampler)
    return iter(DataLoader(reader, sampler=numbered, batch_size=None, num_workers=num_workers))


class _Numbered(Sampler):
    """The batches of a sampler with their numbers."""

    def __init__(self, sampler: ResumableBatchSampler):
        self.sampler = sampler

    def __iter__(self):
        return zip(count(self.sampler.start), self.sampler)
