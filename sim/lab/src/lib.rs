//! klab-lab
