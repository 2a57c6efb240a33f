//! The two sides of a connection, and so its two ways: each leads from the end of its side to the other one.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who asked for the connection.
    Opener,
    /// Who listened.
    Acceptor,
}

impl Side {
    /// Both, the opener's first.
    pub(super) const BOTH: [Side; 2] = [Side::Opener, Side::Acceptor];

    /// Where it is kept among the two.
    #[inline]
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The one that it is connected with.
    #[inline]
    pub(super) const fn other(self) -> Self {
        match self {
            Side::Opener => Side::Acceptor,
            Side::Acceptor => Side::Opener,
        }
    }
}
