//! What a route of the API is about: what OpenAPI tells of it.

use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// A shape of JSON, with those that it is made of.
pub struct Shape {
    /// The name by which others refer to it.
    pub name: String,
    /// It and those that it is made of, by their names.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// The shape of a type.
#[must_use]
pub fn of<T: ToSchema>() -> Shape {
    let name = T::name().into_owned();
    let mut schemas = vec![(name.clone(), T::schema())];
    T::schemas(&mut schemas);
    Shape { name, schemas }
}

/// What comes back.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    /// Nothing.
    Nothing,
    /// JSON.
    Json(fn() -> Shape),
    /// Something else: its media type.
    Text(&'static str),
}

/// What a route of the API is about.
#[derive(Debug, Clone, Copy)]
pub struct Describe {
    /// Which part of the API it belongs to.
    pub part: &'static str,
    /// What it does, in a sentence without a period.
    pub summary: &'static str,
    /// What may stand behind the `?`.
    pub query: &'static [&'static str],
    /// The body, when there may be one.
    pub takes: Option<fn() -> Shape>,
    /// The status of success.
    pub status: u16,
    /// Other statuses that say the same of another moment.
    pub also: &'static [u16],
    pub gives: Gives,
}

impl Describe {
    /// A route that takes nothing and gives nothing.
    pub const fn new(part: &'static str, summary: &'static str) -> Self {
        Self {
            part,
            summary,
            query: &[],
            takes: None,
            status: 200,
            also: &[],
            gives: Gives::Nothing,
        }
    }

    /// What may stand behind the `?`.
    #[must_use]
    pub const fn query(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }

    /// It takes a body.
    #[must_use]
    pub const fn takes(mut self, shape: fn() -> Shape) -> Self {
        self.takes = Some(shape);
        self
    }

    /// It gives JSON.
    #[must_use]
    pub const fn gives(mut self, shape: fn() -> Shape) -> Self {
        self.gives = Gives::Json(shape);
        self
    }

    /// It makes something, and gives it.
    #[must_use]
    pub const fn created(mut self, shape: fn() -> Shape) -> Self {
        self.status = 201;
        self.gives(shape)
    }

    /// It takes something that becomes true later, and says what.
    #[must_use]
    pub const fn accepted(mut self, shape: fn() -> Shape) -> Self {
        self.status = 202;
        self.gives(shape)
    }

    /// It may also answer with these, and the same.
    #[must_use]
    pub const fn also(mut self, statuses: &'static [u16]) -> Self {
        self.also = statuses;
        self
    }

    /// It gives nothing: 204.
    #[must_use]
    pub const fn nothing(mut self) -> Self {
        self.status = 204;
        self
    }

    /// It gives text of a media type.
    #[must_use]
    pub const fn text(mut self, kind: &'static str) -> Self {
        self.gives = Gives::Text(kind);
        self
    }
}
