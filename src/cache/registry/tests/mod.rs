//! Registries, played by the test.
