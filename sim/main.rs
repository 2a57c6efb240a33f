//! The command `klab`.
fn main() {}
