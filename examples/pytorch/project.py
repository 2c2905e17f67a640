"""A project of your own: data, a network, a training loop. Nothing in it knows of vestige."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

TRAINING, FORGET = 1000, 300


def digits():
    """Images [1797, 8, 8] and labels; a fifth of these are wrong, as in many a real data set."""
    data, random = load_digits(), np.random.default_rng(0)
    order = random.permutation(len(data.target))
    images, labels = np.rint(data.images[order] * 255 / 16).astype(np.uint8), data.target[order]
    wrong = random.choice(len(labels), len(labels) // 5, replace=False)
    labels[wrong] = (labels[wrong] + random.integers(1, 10, len(wrong))) % 10
    return images, labels


def make():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def train(indices, seed, network=None, epochs=60, rate=0.05):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = network or make()
    images, labels = digits()
    x, y = torch.from_numpy(images[indices]).float().unsqueeze(1) / 255, torch.from_numpy(labels[indices])
    steps = torch.optim.SGD(network.parameters(), rate, momentum=0.9)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            steps.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            steps.step()
    return network


if __name__ == "__main__":
    forget, retain = np.arange(FORGET), np.arange(FORGET, TRAINING)
    np.savetxt("forget.txt", forget, "%d")
    np.savetxt("unseen.txt", np.arange(TRAINING, 1797), "%d")
    network = train(np.arange(TRAINING), seed=0)
    torch.save(network.state_dict(), "original.pt")
    # "Unlearning" by a little more training on what stays: quick, popular, and not enough.
    network = train(retain, seed=1, network=network, epochs=5, rate=0.01)
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, "candidate.pt")
