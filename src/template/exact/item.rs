//! A value on its way through an expression: a decimal, a part of the scope, or the library's own.

use bigdecimal::{BigDecimal, Zero as _};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;

use crate::template::decimal::{bounded, plain, to_plain_json};
use crate::template::scope::from_json;

/// A value on its way.
#[derive(Debug, Clone)]
pub(super) enum Item<'s> {
    Decimal(BigDecimal),
    /// A part of the scope with numbers in it that a float can't hold.
    Json(&'s Json),
    Other(Value),
}

impl From<bool> for Item<'_> {
    fn from(value: bool) -> Self {
        Self::Other(Value::from(value))
    }
}

impl Item<'_> {
    /// The number it is; `None` for everything else.
    pub(super) fn decimal(&self) -> Result<Option<BigDecimal>, Error> {
        let value = match self {
            Self::Decimal(number) => return bounded(number.clone()).map(Some),
            Self::Json(_) => return Ok(None),
            Self::Other(value) => value,
        };
        if value.is_undefined() {
            return Err(undefined());
        }
        if value.kind() != ValueKind::Number {
            return Ok(None);
        }
        // A float's shortest notation is the number that was written.
        let number = value.to_string().parse().ok();
        number.map(bounded).transpose()
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Other(value) => value.as_str(),
            Self::Json(json) => json.as_str(),
            Self::Decimal(_) => None,
        }
    }

    pub(super) fn defined(&self) -> Result<(), Error> {
        match self {
            Self::Other(value) if value.is_undefined() => Err(undefined()),
            _ => Ok(()),
        }
    }

    pub(super) fn is_true(&self) -> Result<bool, Error> {
        self.defined()?;
        Ok(match self {
            Self::Decimal(number) => !number.is_zero(),
            _ => self.value().is_true(),
        })
    }

    /// As the library sees it.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Decimal(number) => from_json(&to_plain_json(number)),
            Self::Json(json) => from_json(json),
            Self::Other(value) => value.clone(),
        }
    }

    pub(super) fn text(&self) -> Result<String, Error> {
        self.defined()?;
        Ok(match self {
            Self::Decimal(number) => plain(number).into_owned(),
            _ => self.value().to_string(),
        })
    }

    pub(super) fn member(&self, key: &Value) -> Result<Self, Error> {
        match self {
            Self::Decimal(_) => Ok(Self::Other(Value::UNDEFINED)),
            Self::Json(json) => {
                let found = match (key.as_str(), key.as_usize()) {
                    (Some(name), _) => json.get(name),
                    (_, Some(at)) => json.get(at),
                    _ => None,
                };
                Ok(match found {
                    Some(Json::Number(number)) => match number.as_str().parse() {
                        Ok(decimal) => Self::Decimal(decimal),
                        Err(_) => Self::Other(from_json(&Json::Number(number.clone()))),
                    },
                    Some(json) => Self::Json(json),
                    None => Self::Other(Value::UNDEFINED),
                })
            }
            Self::Other(value) => value.get_item(key).map(Self::Other),
        }
    }
}

pub(super) fn undefined() -> Error {
    Error::new(ErrorKind::UndefinedError, "undefined value")
}

/// A mistake: an operator gets what it can't take.
pub(super) fn impossible(sign: &str, left: &Item<'_>, right: Option<&Item<'_>>) -> Error {
    let kind = |item: &Item<'_>| match item {
        Item::Decimal(_) => ValueKind::Number,
        item => item.value().kind(),
    };
    let operands = match right {
        Some(right) => format!("{} and {}", kind(left), kind(right)),
        None => kind(left).to_string(),
    };
    Error::new(
        ErrorKind::InvalidOperation,
        format!("tried to use {sign} on {operands}"),
    )
}
