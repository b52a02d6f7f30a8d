"""Recognise handwritten digits: softmax regression, trained by minibatch gradient descent.

Needs Python 3.8 or newer and nothing else.
"""

import argparse
import csv
import gzip
import json
import math
import random
from operator import mul
from pathlib import Path

DATA = Path(__file__).resolve().parent / "digits.csv.gz"
CLASSES = 10
BRIGHTEST = 16


def main():
    options = parse_flags()
    training, testing = load_digits()
    print(f"{len(training)} images to train on, {len(testing)} to test on", flush=True)

    accuracy = 0.0
    for epoch, weights in enumerate(train(training, options), start=1):
        accuracy = measure(weights, testing)
        print(f"epoch {epoch}/{options.epochs} accuracy {accuracy:.4f}", flush=True)

    if options.record is not None:
        record(options, accuracy)
    print(f"accuracy {accuracy:.4f}", flush=True)


def parse_flags():
    # Without abbreviations, so that a misspelt key of a sweep is an error and not another flag.
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--learning_rate", type=positive_float, default=0.1, metavar="RATE")
    parser.add_argument("--epochs", type=positive_int, default=8, metavar="N")
    parser.add_argument("--batch_size", type=positive_int, default=16, metavar="N")
    parser.add_argument("--seed", type=int, default=1, help="order of the images")
    parser.add_argument(
        "--record",
        type=file_to_append,
        metavar="FILE",
        help="append one line of JSON to this file when training is done",
    )
    return parser.parse_args()


def positive_float(text):
    value = float(text)
    if not (0 < value < math.inf):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def positive_int(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def file_to_append(text):
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    return path


def load_digits():
    """The images to train on, and every fifth one to test with, as pairs (pixels, digit)."""
    with gzip.open(DATA, "rt", newline="") as file:
        rows = [[int(cell) for cell in row] for row in csv.reader(file)]
    # The pixel 1.0 at the end of each image makes the last weight of each class its bias.
    images = [([pixel / BRIGHTEST for pixel in row[:-1]] + [1.0], row[-1]) for row in rows]
    training = [image for i, image in enumerate(images) if i % 5 != 0]
    return training, images[::5]


def train(images, options):
    """Yields the weights after each epoch: one list for each class, one weight for each pixel."""
    order = random.Random(options.seed)
    images = list(images)
    weights = [[0.0] * len(images[0][0]) for _ in range(CLASSES)]
    for _ in range(options.epochs):
        order.shuffle(images)
        for start in range(0, len(images), options.batch_size):
            descend(weights, images[start : start + options.batch_size], options.learning_rate)
        yield weights


def descend(weights, batch, learning_rate):
    """Moves the weights one step down the gradient of the batch's cross-entropy."""
    predictions = [softmax(scores(weights, pixels)) for pixels, _ in batch]
    step = learning_rate / len(batch)
    for (pixels, digit), prediction in zip(batch, predictions):
        for label, probability in enumerate(prediction):
            push = step * ((label == digit) - probability)
            weights[label] = [w + push * pixel for w, pixel in zip(weights[label], pixels)]


def scores(weights, pixels):
    return [sum(map(mul, row, pixels)) for row in weights]


def softmax(values):
    # The largest value is taken off first, so that exp cannot overflow.
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    total = sum(powers)
    return [power / total for power in powers]


def measure(weights, images):
    """The share of the images whose digit gets the highest score."""
    right = 0
    for pixels, digit in images:
        found = scores(weights, pixels)
        right += found.index(max(found)) == digit
    return right / len(images)


def record(options, accuracy):
    flags = {name: value for name, value in vars(options).items() if name != "record"}
    line = json.dumps({**flags, "accuracy": round(accuracy, 4)}, sort_keys=True)
    # Opened for appending and written at once: lines of jobs that run side by side never mix.
    with open(options.record, "a") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    main()
