//! klab-world
