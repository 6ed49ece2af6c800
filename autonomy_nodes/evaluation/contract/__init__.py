"""The contract of docs/interface.md as a test that integrators run against their own vehicle interface."""
