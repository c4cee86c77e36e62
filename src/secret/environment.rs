//! The environment of the process and the project's `.env`, read once.

use std::collections::BTreeMap;

/// What a variable's name has in it when its value is a secret.
const TELLING: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
];
/// A shorter value is a word that other texts have, too: `true`, `none`, `default`.
const SHORTEST: usize = 8;

/// Environment variables: the real ones win over those of `.env`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    runs_commands: bool,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// The process's own environment. Variables that aren't UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            runs_commands: false,
        }
    }

    /// Variables given by hand, for tests.
    #[must_use]
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            variables: pairs.iter().map(owned).collect(),
            runs_commands: false,
        }
    }

    /// With leave to run the commands that print secrets: for whoever carries out tasks.
    #[must_use]
    pub fn with_commands(mut self) -> Self {
        self.runs_commands = true;
        self
    }

    /// Whether commands that print secrets may be run.
    #[must_use]
    pub fn runs_commands(&self) -> bool {
        self.runs_commands
    }

    /// Adds the variables of a `.env` file that aren't there yet: lines of `NAME=value`, `#`
    /// comments, an optional `export`, values plain or in quotes.
    ///
    /// # Errors
    /// The number of the first line (from 1) that can't be read, and why.
    pub fn add_dotenv(&mut self, text: &str) -> Result<(), (usize, String)> {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| (number, "expected `NAME=value`".to_owned()))?;
            let name = name.trim();
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(valid) {
                return Err((number, format!("`{name}` is no name of a variable")));
            }
            let value = unquote(value.trim()).map_err(|message| (number, message))?;
            self.variables.entry(name.to_owned()).or_insert(value);
        }
        Ok(())
    }

    /// The value of a variable; an empty one counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The values of variables whose names say that they are secrets, such as `API_TOKEN`: every
    /// script sees them, and no log may.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let secret = |name: &str| {
            let name = name.to_ascii_uppercase();
            TELLING.iter().any(|word| name.contains(word))
        };
        self.variables
            .iter()
            .filter(move |(name, value)| value.len() >= SHORTEST && secret(name))
            .map(|(_, value)| value.as_str())
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

fn unquote(value: &str) -> Result<String, String> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let end = value.find(" #").unwrap_or(value.len());
        return Ok(value[..end].trim_end().to_owned());
    };
    let inner = &value[1..];
    let end = inner
        .find(quote)
        .ok_or_else(|| format!("the quote {quote} isn't closed"))?;
    Ok(inner[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_secret() {
        let environment = Environment::from_pairs(&[
            ("API_TOKEN", "token-of-an-api"),
            ("db_password", "open sesame"),
            ("TOKEN_SHORT", "true"),
            ("HOME", "/home/somebody"),
        ]);
        let secrets: Vec<&str> = environment.secrets().collect();
        assert_eq!(secrets, ["token-of-an-api", "open sesame"]);
    }

    #[test]
    fn dotenv_fills_in_what_the_environment_lacks() {
        let mut environment = Environment::from_pairs(&[("A", "real")]);
        environment
            .add_dotenv("# c\nA=file\nexport B='x # y'\nC = plain # note\nD=\"\"\n\n")
            .unwrap();
        assert_eq!(environment.get("A"), Some("real"));
        assert_eq!(environment.get("B"), Some("x # y"));
        assert_eq!(environment.get("C"), Some("plain"));
        assert_eq!(environment.get("D"), None);
        assert_eq!(environment.add_dotenv("X=1\nnonsense").unwrap_err().0, 2);
        assert_eq!(environment.add_dotenv("X='1").unwrap_err().0, 1);
    }
}
