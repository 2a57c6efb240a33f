//! The command `klab`.

fn main() -> std::process::ExitCode {
    klab_lab::main()
}
