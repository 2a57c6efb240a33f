//! klab-kraft
