//! The command `klab`.

/// A run allocates and frees three times a message, and thousands of runs follow each other on one thread: an
/// allocator that keeps its pages serves them without the system's help.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    klab_lab::main()
}
