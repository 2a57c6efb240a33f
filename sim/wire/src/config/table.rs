//! The macro behind the tables: a row per name yields the field, its default, its reader and its doc.

/// Declares a configuration as a table. A row reads
/// `"kafka.name" field: Type as Kind = default, "meaning";`, and `include part: Type, "meaning";` takes in
/// another table's names. `settle` names the function that holds Kafka's rules across rows.
macro_rules! config_table {
    (
        $(#[$meta:meta])*
        $table:ident of $kind:ident, settle $settle:path;
        $(include $part:ident: $part_type:ty, $part_doc:literal;)*
        $($name:literal $field:ident: $type:ty as $reader:ty = $default:expr, $doc:literal;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        pub struct $table {
            $(#[doc = $part_doc] pub $part: $part_type,)*
            $(#[doc = concat!("`", $name, "`: ", $doc)] pub $field: $type,)*
        }

        impl Default for $table {
            fn default() -> Self {
                $table { $($part: Default::default(),)* $($field: $default,)* }
            }
        }

        impl $crate::config::ConfigTable for $table {
            const KIND: $crate::config::ConfigKind = $crate::config::ConfigKind::$kind;

            fn rows() -> Vec<$crate::config::Row> {
                use $crate::config::kind::Kind;
                let mut rows = vec![$($crate::config::Row {
                    name: $name,
                    doc: $doc,
                    form: <$reader as Kind<$type>>::form,
                    default: || <$reader as Kind<$type>>::print(&$table::default().$field),
                },)*];
                $(rows.extend(<$part_type as $crate::config::ConfigTable>::rows());)*
                rows.shrink_to_fit();
                rows
            }

            fn set(&mut self, name: &str, text: &str) -> Result<(), $crate::config::ConfigError> {
                match name {
                    $($name => {
                        self.$field = $crate::config::kind::read::<$type, $reader>(name, text)?;
                        Ok(())
                    })*
                    _ => {
                        $(match self.$part.set(name, text) {
                            Err($crate::config::ConfigError::UnknownName { .. }) => {}
                            known => return known,
                        })*
                        Err($crate::config::ConfigError::UnknownName { name: name.into() })
                    }
                }
            }

            fn value(&self, name: &str) -> Option<String> {
                use $crate::config::kind::Kind;
                match name {
                    $($name => Some(<$reader as Kind<$type>>::print(&self.$field)),)*
                    _ => None$(.or_else(|| self.$part.value(name)))*,
                }
            }

            fn settle(
                &mut self,
                given: &std::collections::BTreeSet<&str>,
            ) -> Result<(), $crate::config::ConfigError> {
                $settle(self, given)
            }
        }

        #[cfg(test)]
        mod names {
            #[test]
            fn a_field_is_called_as_kafka_calls_it() {
                for (name, field) in [$(($name, stringify!($field)),)*] {
                    assert_eq!(name.replace('.', "_"), field);
                }
            }
        }
    };
}

pub(crate) use config_table;
