//! What a topic may be called (`Topic.validate`, `Topic.hasCollisionChars`).

use klab_wire::TopicName;

/// The longest name: file names have 255 characters, and the partition's number needs some.
const MAX_LENGTH: usize = 249;

/// Why a topic may not have a name, in Kafka's words.
pub fn validate(name: &TopicName) -> Result<(), String> {
    let name = &*name.0;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Err("the empty string is not allowed".into())
    } else if name == "." || name == ".." {
        Err(format!("'{name}' is not allowed"))
    } else if name.len() > MAX_LENGTH {
        Err(format!("the length of '{name}' is longer than the max allowed length {MAX_LENGTH}"))
    } else if !name.chars().all(is_legal) {
        Err(format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ))
    } else {
        Ok(())
    }
}

/// What metrics would call a topic with a dot or an underscore in its name; none if it has neither.
///
/// Two topics that metrics cannot tell apart may not exist side by side.
pub fn collision_name(name: &TopicName) -> Option<String> {
    name.0.contains(['.', '_']).then(|| name.0.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_be_called_by_what_fits_a_file_name() {
        let long = "x".repeat(250);
        for good in ["orders", "a.b_c-D9", &long[1..], "..."] {
            assert_eq!(validate(&good.into()), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "größe", &long] {
            assert!(validate(&bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_dot_and_an_underscore_are_the_same_to_metrics() {
        assert_eq!(collision_name(&"a.b".into()), collision_name(&"a_b".into()));
        assert_eq!(collision_name(&"ab".into()), None);
    }
}
