//! What in a new description breaks clients that were written by the old one.

use super::schema::{Direction, Documents, narrowed};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The changes from `old` to `new` that break a client, in words; none where all is added to only.
pub(super) fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, item) in members(old, "paths") {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let place = format!("{} {path}", method.to_ascii_uppercase());
            match new
                .get("paths")
                .and_then(|paths| paths.get(path)?.get(method))
            {
                Some(now) => {
                    let documents = Documents { old, new };
                    broken.extend(of_operation(documents, operation, now, &place));
                }
                None => broken.push(format!("{place}: the operation is gone")),
            }
        }
    }
    broken
}

fn of_operation(documents: Documents<'_>, old: &Value, new: &Value, place: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if old.get("operationId") != new.get("operationId") {
        broken.push(format!("{place}: it has another operationId"));
    }
    if old.get("security") != new.get("security") {
        broken.push(format!("{place}: it needs other rights"));
    }
    broken.extend(of_parameters(documents, old, new, place));
    broken.extend(of_body(documents, old, new, place));
    broken.extend(of_responses(documents, old, new, place));
    broken
}

fn of_parameters(documents: Documents<'_>, old: &Value, new: &Value, place: &str) -> Vec<String> {
    let before = parameters(documents.old, old);
    let now = parameters(documents.new, new);
    let mut broken = Vec::new();
    for (key, parameter) in &before {
        let place = format!("{place}: parameter {}", key.1);
        let Some(other) = now.get(key) else {
            broken.push(format!("{place} is gone"));
            continue;
        };
        if is_required(other) && !is_required(parameter) {
            broken.push(format!("{place} is required now"));
        }
        broken.extend(of_schemas(
            documents,
            parameter,
            other,
            Direction::Sent,
            &place,
        ));
    }
    for (key, parameter) in &now {
        if is_required(parameter) && !before.contains_key(key) {
            broken.push(format!("{place}: parameter {} is new and required", key.1));
        }
    }
    broken
}

fn of_body(documents: Documents<'_>, old: &Value, new: &Value, place: &str) -> Vec<String> {
    let place = format!("{place}: body");
    match (old.get("requestBody"), new.get("requestBody")) {
        (Some(_), None) => vec![format!("{place} is gone")],
        (None, Some(new)) if is_required(new) => vec![format!("{place} is new and required")],
        (None, None | Some(_)) => Vec::new(),
        (Some(old), Some(new)) => {
            let mut broken = of_contents(documents, old, new, Direction::Sent, &place);
            if is_required(new) && !is_required(old) {
                broken.push(format!("{place} is required now"));
            }
            broken
        }
    }
}

fn of_responses(documents: Documents<'_>, old: &Value, new: &Value, place: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (status, response) in members(old, "responses") {
        let place = format!("{place}: {status}");
        let Some(now) = new.get("responses").and_then(|all| all.get(status)) else {
            broken.push(format!("{place} is gone"));
            continue;
        };
        broken.extend(of_contents(
            documents,
            response,
            now,
            Direction::Answered,
            &place,
        ));
        for (name, _) in members(response, "headers") {
            if now.get("headers").is_none_or(|all| all.get(name).is_none()) {
                broken.push(format!("{place}: header {name} is gone"));
            }
        }
    }
    broken
}

fn of_contents(
    documents: Documents<'_>,
    old: &Value,
    new: &Value,
    direction: Direction,
    place: &str,
) -> Vec<String> {
    let mut broken = Vec::new();
    for (media_type, content) in members(old, "content") {
        let place = format!("{place} {media_type}");
        match new.get("content").and_then(|all| all.get(media_type)) {
            Some(now) => broken.extend(of_schemas(documents, content, now, direction, &place)),
            None => broken.push(format!("{place} is gone")),
        }
    }
    broken
}

fn of_schemas(
    documents: Documents<'_>,
    old: &Value,
    new: &Value,
    direction: Direction,
    place: &str,
) -> Vec<String> {
    let none = Value::Bool(true);
    let old = old.get("schema").unwrap_or(&none);
    let new = new.get("schema").unwrap_or(&none);
    narrowed(documents, old, new, direction, place)
}

/// By `in` and name.
fn parameters<'a>(
    document: &'a Value,
    operation: &'a Value,
) -> BTreeMap<(&'a str, &'a str), &'a Value> {
    let all = operation.get("parameters").and_then(Value::as_array);
    let text = |parameter: &'a Value, name: &str| parameter.get(name).and_then(Value::as_str);
    all.into_iter()
        .flatten()
        .map(|parameter| resolved(document, parameter))
        .filter_map(|one| Some(((text(one, "in")?, text(one, "name")?), one)))
        .collect()
}

/// What a reference leads to; anything else as it is.
pub(super) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value.get("$ref").and_then(Value::as_str);
    let found = reference
        .and_then(|text| text.strip_prefix('#'))
        .and_then(|pointer| document.pointer(pointer));
    found.unwrap_or(value)
}

fn is_required(value: &Value) -> bool {
    value.get("required").and_then(Value::as_bool) == Some(true)
}

pub(super) fn members<'a>(
    value: &'a Value,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let object = value.get(name).and_then(Value::as_object);
    object.into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "paths": { "/a/{id}": { "post": {
                "operationId": "do_it",
                "security": [{ "key": ["a:write"] }],
                "parameters": [
                    { "$ref": "#/components/parameters/Id" },
                    { "name": "q", "in": "query", "schema": { "type": "string", "maxLength": 9, "enum": ["x", "y"] } },
                ],
                "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/In" } } } },
                "responses": {
                    "200": { "headers": { "ETag": {} }, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Out" } } } },
                    "404": {},
                },
            } } },
            "components": {
                "parameters": { "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } } },
                "schemas": {
                    "In": {
                        "type": "object", "required": ["n"], "additionalProperties": false,
                        "properties": {
                            "n": { "type": ["integer", "null"], "minimum": 1, "maximum": 9 },
                            "l": { "type": "array", "maxItems": 4, "items": { "type": "string" } },
                            "me": { "$ref": "#/components/schemas/In" },
                        },
                    },
                    "Out": {
                        "type": "object", "required": ["a", "b"],
                        "properties": { "a": { "type": "string" }, "b": { "type": "integer" }, "c": { "type": "string", "enum": ["x"] } },
                    },
                },
            },
        })
    }

    /// What breaks when the member at `pointer` becomes `value`, or goes where it is `null`.
    fn changed(pointer: &str, value: Value) -> Vec<String> {
        let mut new = document();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap();
        match parent {
            Value::Object(members) if value.is_null() => {
                members.remove(&name.replace("~1", "/")).unwrap();
            }
            Value::Object(members) => {
                members.insert(name.replace("~1", "/"), value);
            }
            Value::Array(items) => {
                items.remove(name.parse().unwrap());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                panic!("{parent}")
            }
        }
        breaking_changes(&document(), &new)
    }

    const OPERATION: &str = "/paths/~1a~1{id}/post";
    const IN: &str = "/components/schemas/In";
    const OUT: &str = "/components/schemas/Out";

    #[test]
    fn nothing_changed_breaks_nothing() {
        assert_eq!(breaking_changes(&document(), &document()), [""; 0]);
        assert_eq!(breaking_changes(&json!({}), &document()), [""; 0]);
    }

    #[test]
    fn what_takes_something_away_breaks() {
        for (pointer, value) in [
            ("/paths/~1a~1{id}".to_owned(), Value::Null),
            (OPERATION.to_owned(), Value::Null),
            (format!("{OPERATION}/operationId"), json!("other")),
            (
                format!("{OPERATION}/security"),
                json!([{ "key": ["b:write"] }]),
            ),
            (format!("{OPERATION}/parameters/1"), Value::Null),
            (format!("{OPERATION}/requestBody"), Value::Null),
            (
                format!("{OPERATION}/requestBody/content/application~1json"),
                Value::Null,
            ),
            (format!("{OPERATION}/responses/404"), Value::Null),
            (
                format!("{OPERATION}/responses/200/headers/ETag"),
                Value::Null,
            ),
            (
                format!("{OPERATION}/responses/200/content/application~1json"),
                Value::Null,
            ),
            (format!("{IN}/required"), json!(["n", "l"])),
            (format!("{IN}/properties/l"), Value::Null),
            (format!("{IN}/properties/n/type"), json!("integer")),
            (format!("{IN}/properties/n/minimum"), json!(2)),
            (format!("{IN}/properties/n/maximum"), json!(8)),
            (format!("{IN}/properties/l/maxItems"), json!(3)),
            (format!("{IN}/properties/l/minItems"), json!(1)),
            (format!("{IN}/properties/l/items/type"), json!("integer")),
            (format!("{IN}/properties/l/items/pattern"), json!("^a$")),
            (format!("{IN}/properties/l/items/enum"), json!(["a"])),
            (format!("{OUT}/required"), json!(["a"])),
            (format!("{OUT}/properties/c"), Value::Null),
            (
                format!("{OUT}/properties/a/type"),
                json!(["string", "null"]),
            ),
            (format!("{OUT}/properties/b/type"), json!("number")),
        ] {
            assert_eq!(changed(&pointer, value).len(), 1, "{pointer}");
        }
    }

    #[test]
    fn parameters_are_narrowed_in_all_the_ways_of_a_schema() {
        let narrower = json!([
            { "$ref": "#/components/parameters/Id" },
            { "name": "q", "in": "query", "required": true, "schema": { "type": "string", "maxLength": 8, "enum": ["x"] } },
            { "name": "new", "in": "query", "required": true, "schema": {} },
        ]);
        let mut broken = changed(&format!("{OPERATION}/parameters"), narrower);
        broken.sort_unstable();
        assert_eq!(
            broken,
            [
                "POST /a/{id}: parameter new is new and required",
                "POST /a/{id}: parameter q is required now",
                "POST /a/{id}: parameter q: maxLength is 8, was 9",
                "POST /a/{id}: parameter q: y is not taken any more",
            ]
        );
    }

    #[test]
    fn what_only_adds_breaks_nothing() {
        for (pointer, value) in [
            ("/paths/~1b".to_owned(), json!({ "get": {} })),
            (format!("{OPERATION}/summary"), json!("Words")),
            (format!("{OPERATION}/responses/409"), json!({})),
            (format!("{OPERATION}/responses/200/headers/Age"), json!({})),
            (format!("{IN}/required"), json!([])),
            (format!("{IN}/properties/o"), json!({ "type": "string" })),
            (
                format!("{IN}/properties/n/type"),
                json!(["integer", "null", "string"]),
            ),
            (format!("{IN}/properties/n/maximum"), json!(10)),
            (format!("{IN}/properties/n/minimum"), Value::Null),
            (format!("{IN}/additionalProperties"), Value::Null),
            (format!("{OUT}/required"), json!(["a", "b", "c"])),
            (format!("{OUT}/properties/d"), json!({ "type": "string" })),
            (format!("{OUT}/properties/c/enum"), json!(["x", "y"])),
            (format!("{OUT}/properties/b/minimum"), json!(1)),
        ] {
            assert_eq!(changed(&pointer, value), [""; 0], "{pointer}");
        }
    }
}
