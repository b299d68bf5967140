"""The filters, where a worker that this process did not start can import them."""

from tests.cli.filters import run

if __name__ == "__main__":
    run()
