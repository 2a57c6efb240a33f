//! What one event costs the bare engine.

fn main() {}
