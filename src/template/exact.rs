//! Expressions, computed with all digits.
//!
//! The template library computes with binary floats, in which `0.1 + 0.2` isn't `0.3`. Prices and
//! amounts must come out as they went in, so that its syntax tree is evaluated here: the same
//! language, but numbers are decimals. A quotient without end has 34 digits. What isn't known here
//! (calls, slices, maps) is left to the library, and so are expressions inside a longer text.

mod item;

use std::cmp::Ordering;

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _};
use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};
use minijinja::machinery::parse_expr;
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::Value as Json;

use self::item::{Item, impossible, undefined};
use super::Scope;
use super::decimal::{LARGEST_EXPONENT, bounded, computed, plain, sign_of, to_number};
use super::engine::environment;
use super::scope::to_json;

/// An expression whose numbers are decimals.
#[derive(Debug)]
pub(super) struct Exact<'a> {
    expression: Expr<'a>,
}

impl<'a> Exact<'a> {
    /// The expression, when everything in it is known here.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let expression = parse_expr(text).ok()?;
        is_known(&expression).then_some(Self { expression })
    }

    /// Its value.
    pub(super) fn evaluate(&self, scope: &Scope) -> Result<Json, Error> {
        let mut state = environment().empty_state();
        let found = Evaluation { scope }.item(&self.expression, &mut state)?;
        match found {
            Item::Decimal(number) => Ok(Json::Number(to_number(&number))),
            Item::Json(json) => Ok(json.clone()),
            Item::Other(value) if value.is_undefined() => Err(undefined()),
            Item::Other(value) => Ok(to_json(&value)),
        }
    }
}

fn is_known(expression: &Expr<'_>) -> bool {
    match expression {
        Expr::Var(_) | Expr::Const(_) => true,
        Expr::UnaryOp(unary) => is_known(&unary.expr),
        Expr::BinOp(binary) => is_known(&binary.left) && is_known(&binary.right),
        Expr::Compare(compare) => {
            is_known(&compare.expr) && compare.ops.iter().all(|operand| is_known(&operand.expr))
        }
        Expr::IfExpr(choice) => {
            let otherwise = choice.false_expr.as_ref();
            is_known(&choice.test_expr)
                && is_known(&choice.true_expr)
                && otherwise.is_some_and(is_known)
        }
        Expr::Filter(filter) => {
            filter.expr.as_ref().is_some_and(is_known) && filter.args.iter().all(is_known_argument)
        }
        Expr::Test(test) => is_known(&test.expr) && test.args.iter().all(is_known_argument),
        Expr::GetAttr(get) => is_known(&get.expr),
        Expr::GetItem(get) => is_known(&get.expr) && is_known(&get.subscript_expr),
        Expr::List(list) => list.items.iter().all(is_known),
        Expr::Slice(_) | Expr::Call(_) | Expr::Tuple(_) | Expr::Map(_) => false,
    }
}

fn is_known_argument(argument: &CallArg<'_>) -> bool {
    matches!(argument, CallArg::Pos(value) if is_known(value))
}

struct Evaluation<'s> {
    scope: &'s Scope,
}

impl<'s> Evaluation<'s> {
    fn item(&self, expression: &Expr<'_>, state: &mut State<'_, '_>) -> Result<Item<'s>, Error> {
        Ok(match expression {
            Expr::Const(constant) => Item::Other(constant.value.clone()),
            Expr::Var(name) => self.variable(name.id),
            Expr::UnaryOp(unary) => {
                let operand = self.item(&unary.expr, state)?;
                match unary.op {
                    UnaryOpKind::Not => Item::from(!operand.is_true()?),
                    UnaryOpKind::Neg => match operand.decimal()? {
                        Some(number) => Item::Decimal(-number),
                        None => return Err(impossible("-", &operand, None)),
                    },
                }
            }
            Expr::BinOp(binary) => self.binary(binary.op, &binary.left, &binary.right, state)?,
            Expr::Compare(compare) => {
                let mut left = self.item(&compare.expr, state)?;
                for operand in &compare.ops {
                    let right = self.item(&operand.expr, state)?;
                    if !holds(operand.op, &left, &right, state)? {
                        return Ok(Item::from(false));
                    }
                    left = right;
                }
                Item::from(true)
            }
            Expr::IfExpr(choice) => {
                if self.item(&choice.test_expr, state)?.is_true()? {
                    self.item(&choice.true_expr, state)?
                } else if let Some(otherwise) = &choice.false_expr {
                    self.item(otherwise, state)?
                } else {
                    Item::Other(Value::UNDEFINED)
                }
            }
            Expr::Filter(filter) => {
                let Some(subject) = &filter.expr else {
                    return Err(undefined());
                };
                let subject = self.item(subject, state)?;
                let arguments = self.arguments(&filter.args, state)?;
                if let Some(found) = filtered(filter.name, &subject, &arguments)? {
                    found
                } else {
                    let values = values(&subject, &arguments);
                    Item::Other(state.apply_filter(filter.name, &values)?)
                }
            }
            Expr::Test(test) => {
                let subject = self.item(&test.expr, state)?;
                let arguments = self.arguments(&test.args, state)?;
                Item::from(state.perform_test(test.name, &values(&subject, &arguments))?)
            }
            Expr::GetAttr(get) => self
                .item(&get.expr, state)?
                .member(&Value::from(get.name))?,
            Expr::GetItem(get) => {
                let key = self.item(&get.subscript_expr, state)?.value();
                self.item(&get.expr, state)?.member(&key)?
            }
            Expr::List(list) => {
                let items: Result<Vec<Value>, Error> = list
                    .items
                    .iter()
                    .map(|item| Ok(self.item(item, state)?.value()))
                    .collect();
                Item::Other(Value::from(items?))
            }
            Expr::Slice(_) | Expr::Call(_) | Expr::Tuple(_) | Expr::Map(_) => {
                return Err(Error::new(ErrorKind::InvalidOperation, "not known here"));
            }
        })
    }

    fn variable(&self, name: &str) -> Item<'s> {
        match self.scope.exact(name) {
            Some(Json::Number(number)) => match number.as_str().parse() {
                Ok(decimal) => Item::Decimal(decimal),
                Err(_) => Item::Other(self.scope.get(name)),
            },
            Some(json) => Item::Json(json),
            None => Item::Other(self.scope.get(name)),
        }
    }

    fn arguments(
        &self,
        arguments: &[CallArg<'_>],
        state: &mut State<'_, '_>,
    ) -> Result<Vec<Item<'s>>, Error> {
        let positional = arguments.iter().filter_map(|argument| match argument {
            CallArg::Pos(value) => Some(value),
            _ => None,
        });
        positional.map(|value| self.item(value, state)).collect()
    }

    fn binary(
        &self,
        operator: BinOpKind,
        left: &Expr<'_>,
        right: &Expr<'_>,
        state: &mut State<'_, '_>,
    ) -> Result<Item<'s>, Error> {
        let left = self.item(left, state)?;
        match operator {
            BinOpKind::ScAnd if !left.is_true()? => return Ok(left),
            BinOpKind::ScOr if left.is_true()? => return Ok(left),
            _ => {}
        }
        let right = self.item(right, state)?;
        let compared = match operator {
            BinOpKind::ScAnd | BinOpKind::ScOr => return Ok(right),
            BinOpKind::Concat => {
                let text = format!("{}{}", left.text()?, right.text()?);
                return Ok(Item::Other(Value::from(text)));
            }
            BinOpKind::Eq => Some(CompareOpKind::Eq),
            BinOpKind::Ne => Some(CompareOpKind::Ne),
            BinOpKind::Lt => Some(CompareOpKind::Lt),
            BinOpKind::Lte => Some(CompareOpKind::Lte),
            BinOpKind::Gt => Some(CompareOpKind::Gt),
            BinOpKind::Gte => Some(CompareOpKind::Gte),
            BinOpKind::In => Some(CompareOpKind::In),
            _ => None,
        };
        if let Some(compared) = compared {
            return holds(compared, &left, &right, state).map(Item::from);
        }
        if let (BinOpKind::Add, Some(a), Some(b)) = (operator, left.as_str(), right.as_str()) {
            return Ok(Item::Other(Value::from(format!("{a}{b}"))));
        }
        let sign = sign_of(operator);
        let (Some(a), Some(b)) = (left.decimal()?, right.decimal()?) else {
            return Err(impossible(sign, &left, Some(&right)));
        };
        computed(operator, a, b).map(Item::Decimal)
    }
}

fn holds(
    operator: CompareOpKind,
    left: &Item<'_>,
    right: &Item<'_>,
    state: &mut State<'_, '_>,
) -> Result<bool, Error> {
    if let CompareOpKind::In | CompareOpKind::NotIn = operator {
        let found = state.perform_test("in", &[left.value(), right.value()])?;
        return Ok(found == matches!(operator, CompareOpKind::In));
    }
    left.defined()?;
    right.defined()?;
    let order = match (left.decimal()?, right.decimal()?) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => left.value().cmp(&right.value()),
    };
    Ok(match operator {
        CompareOpKind::Eq => order == Ordering::Equal,
        CompareOpKind::Ne => order != Ordering::Equal,
        CompareOpKind::Lt => order == Ordering::Less,
        CompareOpKind::Lte => order != Ordering::Greater,
        CompareOpKind::Gt => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

/// The filters that know decimals.
fn filtered<'s>(
    name: &str,
    subject: &Item<'_>,
    arguments: &[Item<'_>],
) -> Result<Option<Item<'s>>, Error> {
    if !matches!(name, "round" | "abs" | "int" | "float" | "string") {
        return Ok(None);
    }
    let number = match subject.decimal()? {
        Some(number) => number,
        // A text may be written like a number.
        None => match subject
            .as_str()
            .map(|text| text.trim().parse::<BigDecimal>())
        {
            Some(Ok(number)) if matches!(name, "int" | "float") => bounded(number)?,
            _ => return Ok(None),
        },
    };
    Ok(match (name, arguments) {
        ("abs", []) => Some(Item::Decimal(number.abs())),
        ("int", []) => Some(Item::Decimal(
            number.with_scale_round(0, RoundingMode::Down),
        )),
        ("float", []) => Some(Item::Decimal(number)),
        ("string", []) => Some(Item::Other(Value::from(plain(&number).into_owned()))),
        ("round", arguments) => {
            let digits = match arguments {
                [] => Some(0),
                [digits] => digits.decimal()?.and_then(|digits| digits.to_i64()),
                _ => None,
            };
            let digits = digits.filter(|digits| digits.abs() <= LARGEST_EXPONENT);
            digits
                .map(|digits| Item::Decimal(number.with_scale_round(digits, RoundingMode::HalfUp)))
        }
        _ => None,
    })
}

fn values(subject: &Item<'_>, arguments: &[Item<'_>]) -> Vec<Value> {
    std::iter::once(subject)
        .chain(arguments)
        .map(Item::value)
        .collect()
}

#[cfg(test)]
mod tests;
