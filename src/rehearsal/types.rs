//! Which values a column probably takes, roughly: by families of types.

/// A family of types whose texts look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Number,
    Time,
    Boolean,
    Json,
    Text,
    /// Arrays, identifiers, types of one's own: nothing is known.
    Other,
}

impl Family {
    /// The family of a type as the databases, or `columns:`, name it.
    pub(super) fn of(type_name: &str) -> Self {
        let name = type_name.to_lowercase();
        if name.ends_with(']') || name.starts_with('_') {
            return Self::Other;
        }
        let word = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        match word {
            "smallint" | "integer" | "int" | "bigint" | "int2" | "int4" | "int8" | "numeric"
            | "decimal" | "real" | "double" | "float" | "float4" | "float8" => Self::Number,
            "date" | "timestamp" | "timestamptz" => Self::Time,
            "boolean" | "bool" => Self::Boolean,
            "json" | "jsonb" => Self::Json,
            "text" | "varchar" | "character" | "char" | "name" => Self::Text,
            _ => Self::Other,
        }
    }

    /// Whether a column of this family takes values of another one. Texts may be anything.
    pub(super) fn takes(self, values: Self) -> bool {
        match (self, values) {
            (Self::Text | Self::Other, _)
            | (_, Self::Text | Self::Other)
            | (Self::Json, Self::Number | Self::Boolean) => true,
            (own, values) => own == values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn columns_take_what_looks_alike() {
        for (column, values, taken) in [
            ("numeric(20,8)", "integer", true),
            ("double precision", "FLOAT8", true),
            ("bigint", "date", false),
            ("timestamp with time zone", "date", true),
            ("date", "int4", false),
            ("boolean", "numeric", false),
            ("jsonb", "json", true),
            ("jsonb", "timestamptz", false),
            ("character varying(16)", "timestamp", true),
            ("integer", "text", true),
            ("integer[]", "date", true),
            ("mood", "date", true),
        ] {
            let found = Family::of(column).takes(Family::of(values));
            assert_eq!(found, taken, "{column} ← {values}");
        }
    }
}
