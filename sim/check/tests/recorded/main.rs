//! A recorded history of any legal shape is valid and stays so under legal changes; every way to spoil it is
//! noticed, and called by its name.

mod legal;
mod spoilt;
mod told;
