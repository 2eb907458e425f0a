"""The order in which a run sees its images: seeded, and the same after a resume."""

import torch
from torch.utils.data import Sampler


def mix_seed(seed: int, number: int) -> int:
    """Turn a seed and a step or epoch into one seed of 32 bits: the CPU's generator takes no more."""
    return (seed * 0x9E3779B1 + number) % 2**32


class ResumableBatchSampler(Sampler):
    """Batches of indices number start, start + 1, ..., stop - 1; each epoch is a new seeded permutation.

    With `weights`, a float Tensor [num_images], an epoch draws with replacement, each image by its weight.
    What an epoch leaves over, fewer than `batch_size` images, is left out of it.
    """

    def __init__(self, num_images: int, batch_size: int, start: int, stop: int, seed: int, weights=None):
        self.num_images, self.batch_size, self.seed, self.weights = num_images, batch_size, seed, weights
        self.start, self.stop = start, stop

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
            yield order[position : position + self.batch_size].tolist()
