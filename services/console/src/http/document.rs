//! The OpenAPI document: written from the handlers, with what all of them have in common.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Info, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::problem::Problem;
use super::routes;

/// The document as JSON.
pub(crate) fn document() -> String {
    let (_, described) = routes::calls().split_for_parts();
    // What was made of declarations can be written.
    finished(described).to_pretty_json().unwrap_or_default()
}

fn finished(mut document: OpenApi) -> OpenApi {
    let mut info = Info::new("Weir", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Weir before PostgreSQL: health, queries, alerts, advice, maintenance, backups. Fields are those of the protocol \
         (proto/weir); times are milliseconds since 1970 and end in `_unix_ms`, durations and sizes carry their unit last."
            .to_owned(),
    );
    document.info = info;
    let components = document.components.get_or_insert_default();
    components
        .schemas
        .insert(Problem::name().into_owned(), Problem::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(name_of(method, path));
            operation
                .responses
                .responses
                .insert("default".to_owned(), RefOr::T(problem()));
        }
    }
    document
}

/// A name that no other call has: `getDatabaseJobsId` for `GET /database/jobs/{id}`.
fn name_of(method: &str, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .fold(method.to_owned(), |name, word| {
            let (first, rest) = word.split_at(1);
            format!("{name}{}{rest}", first.to_ascii_uppercase())
        })
}

/// Every call may be answered by one.
fn problem() -> utoipa::openapi::Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name().into_owned())))
        .build();
    ResponseBuilder::new()
        .description("why not")
        .content("application/problem+json", content)
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    fn references(value: &Json, found: &mut Vec<String>) {
        match value {
            Json::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Json::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Json::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_parameter_is_explained() {
        let document: Json = serde_json::from_str(&document()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            assert!(
                document.pointer(reference.trim_start_matches('#')).is_some(),
                "{reference}"
            );
        }
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, call) in item.as_object().unwrap() {
                assert!(names.insert(call["operationId"].as_str().unwrap()), "{method} {path}");
                let parameters = call["parameters"].as_array().cloned().unwrap_or_default();
                for parameter in parameters {
                    let text = parameter["description"].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{method} {path}: {}", parameter["name"]);
                }
            }
        }
    }
}
