"""Says when to sail."""

from harbour_tides import TIDES


def main():
    print(f"Sail with the {TIDES[0]} tide.")
