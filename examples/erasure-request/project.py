"""Pictures of 700 people, several of each, and a classifier of them. Some people ask to be erased."""

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

PEOPLE, EACH, CLASSES = 700, 4, 5
PLACE = Path(__file__).parent


def pictures():
    """Write photos/*.png and photos/labels.csv: part train for the first 400 people, test for the others."""
    random = np.random.default_rng(0)
    folder = PLACE / "photos"
    folder.mkdir(exist_ok=True)
    kinds = random.normal(0, 1, (CLASSES, 8, 8))
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "label", "subject", "part"))
        for person in range(PEOPLE):
            kind, own = person % CLASSES, random.normal(0, 1.3, (8, 8))  # how this person looks, on every picture
            label = kind if random.random() > 0.3 else int(random.integers(CLASSES))
            for k in range(EACH):
                pixels = 128 + 28 * (kinds[kind] + own + random.normal(0, 0.3, (8, 8)))
                name = f"p{person:03d}-{k}.png"
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / name)
                table.writerow((name, label, f"p{person:03d}", "train" if person < 400 else "test"))
    with (PLACE / "erase.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("subject_id", "received"), *((f"p{k:03d}", "2026-11-02") for k in range(150))])


def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, CLASSES))


def training_rows():
    with (PLACE / "photos/labels.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["part"] == "train"]


def train(indices, seed, epochs=60):
    """indices: rows of the training part, in the order of labels.csv."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rows = np.array(training_rows())[indices]
    x = torch.stack([torch.from_numpy(np.array(Image.open(PLACE / "photos" / row["file"]))) for row in rows])
    x, y = x.float().unsqueeze(1) / 255, torch.tensor([int(row["label"]) for row in rows])
    network = make()
    steps = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            steps.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            steps.step()
    return network


if __name__ == "__main__":
    pictures()
    rows = training_rows()
    network = train(np.arange(len(rows)), 0)
    torch.save(network.state_dict(), "original.pt")
    with torch.no_grad():  # an "erasure" that only nudges the last layer
        network[-1].bias -= 0.1
    torch.save(network.state_dict(), "candidate.pt")
