//! From method and path to a route. One tree for each family, so that no family's wildcard can catch another's path.

use crate::http::path::{self, Segments};
use crate::http::route::{Params, Route};
use crate::http::table::{Family, Head, Hints, family_of};
use hyper::Method;
use std::collections::BTreeMap;

/// A table of routes that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Two patterns that match the same path.
    #[error("{path} of {family} is in the way of another route", family = family.name())]
    Conflict {
        /// The later pattern.
        path: String,
        /// Whose.
        family: Family,
        /// What the router says.
        source: matchit::InsertError,
    },
    /// The same method and path twice.
    #[error("{method} {path} is there twice")]
    Twice {
        /// The method.
        method: Method,
        /// The path.
        path: &'static str,
    },
    /// The path belongs to another family by the table.
    #[error("{path} is a path of {owner}, not of {family}", owner = owner.name(), family = family.name())]
    Foreign {
        /// The path.
        path: &'static str,
        /// Whose it is.
        owner: Family,
        /// Whose the route says it is.
        family: Family,
    },
}

/// The routes, findable.
pub struct Router {
    trees: BTreeMap<Family, matchit::Router<Vec<Route>>>,
}

/// What is at a path.
pub enum Found<'r> {
    /// A route, and the parameters of its path.
    Route(&'r Route, Params),
    /// Routes with other methods.
    WrongMethod {
        /// The methods there are, for `Allow`.
        allowed: String,
    },
    /// Nothing.
    Nothing,
}

impl Router {
    /// Sorts the routes in. `only` is the one family that is asked for, where the table does not decide.
    ///
    /// # Errors
    /// See [`RouteError`]; all are mistakes in the code of a room.
    pub fn new(routes: Vec<Route>, only: Option<Family>) -> Result<Router, RouteError> {
        let mut places: BTreeMap<(Family, &'static str), Vec<Route>> = BTreeMap::new();
        for route in routes {
            if only != Some(route.family) {
                belongs(&route)?;
            }
            let place = places.entry((route.family, route.path)).or_default();
            if place.iter().any(|other| other.method == route.method) {
                return Err(RouteError::Twice { method: route.method, path: route.path });
            }
            place.push(route);
        }
        let mut trees: BTreeMap<Family, matchit::Router<Vec<Route>>> = BTreeMap::new();
        for ((family, path), place) in places {
            let tree = trees.entry(family).or_default();
            tree.insert(path, place).map_err(|source| RouteError::Conflict {
                path: path.to_owned(),
                family,
                source,
            })?;
        }
        Ok(Router { trees })
    }

    /// Looks up `method` on a canonical path of `family`.
    pub fn find(&self, family: Family, method: &Method, canonical: &str) -> Found<'_> {
        let Some(tree) = self.trees.get(&family) else { return Found::Nothing };
        let Ok(matched) = tree.at(canonical) else { return Found::Nothing };
        let as_get = *method == Method::HEAD && family.rules().head == Head::AsGet;
        let exact = matched.value.iter().find(|route| route.method == *method);
        let or_get = || matched.value.iter().find(|route| as_get && route.method == Method::GET);
        match exact.or_else(or_get) {
            Some(route) => {
                let parameter = |(name, value): (&str, &str)| (name.to_owned(), path::decoded(value));
                Found::Route(route, Params(matched.params.iter().map(parameter).collect()))
            }
            None => Found::WrongMethod { allowed: allowed(family, matched.value) },
        }
    }
}

fn allowed(family: Family, routes: &[Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if family.rules().head == Head::AsGet && methods.contains(&"GET") && !methods.contains(&"HEAD") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}

/// A route must lie where the table leads requests for it.
fn belongs(route: &Route) -> Result<(), RouteError> {
    let foreign = |owner| RouteError::Foreign { path: route.path, owner, family: route.family };
    let segments = Segments::of(route.path);
    let hints =
        [Hints::default(), Hints { html: true, ..Hints::default() }, Hints { authorization: true, html: false }];
    let mut owners = hints.iter().map(|hints| family_of(&route.method, &segments, *hints));
    let usual = owners.next().unwrap_or(Family::Tracker);
    if usual == route.family || owners.any(|owner| owner == route.family) { Ok(()) } else { Err(foreign(usual)) }
}
