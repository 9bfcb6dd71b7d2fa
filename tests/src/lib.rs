//! Tests of the whole house live beside this file: `tidy/`, `e2e/`, `bench/`.
