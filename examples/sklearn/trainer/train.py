"""Recognise handwritten digits with one of two classifiers of scikit-learn."""

import argparse

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


def main():
    options = parse_flags()
    # The seed of the split is fixed, so that all jobs are tested on the same images.
    pixels, digits = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        pixels, digits, test_size=0.2, random_state=0
    )
    print(f"{options.classifier}: {len(x_train)} images to train on", flush=True)
    classifier = CLASSIFIERS[options.classifier](options).fit(x_train, y_train)
    print(f"accuracy {classifier.score(x_test, y_test):.4f}", flush=True)


def make_svc(options):
    return SVC(C=options.c)


def make_forest(options):
    return RandomForestClassifier(n_estimators=options.trees, random_state=options.seed)


CLASSIFIERS = {"svc": make_svc, "forest": make_forest}


def parse_flags():
    # Without abbreviations, so that a misspelt key of a sweep is an error and not another flag.
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--classifier", choices=sorted(CLASSIFIERS), default="svc")
    parser.add_argument("--c", type=positive_float, default=1.0, help="of svc: cost of an error")
    parser.add_argument("--trees", type=positive_int, default=100, help="of forest: its size")
    parser.add_argument("--seed", type=int, default=1, help="of forest: choice of its samples")
    return parser.parse_args()


def positive_float(text):
    value = float(text)
    if not (0 < value < float("inf")):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def positive_int(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


if __name__ == "__main__":
    main()
