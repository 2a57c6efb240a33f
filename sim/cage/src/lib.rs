//! klab-cage
