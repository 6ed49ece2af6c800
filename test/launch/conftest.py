"""Tests that start processes in real time are marked `live`; `make test` runs them alone, after the others."""


def pytest_configure(config):
    config.addinivalue_line('markers', 'live: starts processes in real time, so it runs when nothing else does')
