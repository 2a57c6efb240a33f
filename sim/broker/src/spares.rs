//! Messages that have done their work: memory for the next ones that leave.
//!
//! A broker takes in as many fetches as it answers, and as many answers as it has sent fetches.

/// Boxes of messages that are done.
#[derive(Clone, Debug)]
pub(crate) struct Spares<T> {
    #[allow(clippy::vec_box, reason = "the boxes are what is kept")]
    boxes: Vec<Box<T>>,
}

/// How many are kept: what comes and goes in a few steps.
const MOST: usize = 16;

impl<T> Spares<T> {
    pub(crate) const fn new() -> Self {
        Spares { boxes: Vec::new() }
    }

    /// A message is done.
    pub(crate) fn keep(&mut self, message: Box<T>) {
        if self.boxes.len() < MOST {
            self.boxes.push(message);
        }
    }

    /// A box with what some message has left in it, or with nothing.
    pub(crate) fn take(&mut self) -> Box<T>
    where
        T: Default,
    {
        self.boxes.pop().unwrap_or_default()
    }

    /// Puts a message that will leave into a box.
    pub(crate) fn boxed(&mut self, message: T) -> Box<T> {
        match self.boxes.pop() {
            Some(mut memory) => {
                *memory = message;
                memory
            }
            None => Box::new(message),
        }
    }
}
