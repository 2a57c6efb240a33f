//! Configuration names.
