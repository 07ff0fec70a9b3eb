use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn changes(old: &Value, new: &Value) -> Vec<Change> {
    diff(&Model::read(old).unwrap(), &Model::read(new).unwrap())
}

fn told(change: &Change) -> (ChangeKind, &str, bool, bool) {
    (change.kind, &change.path, change.backward.is_ok(), change.forward.is_ok())
}

fn record(fields: &[Value]) -> Value {
    json!({"type": "record", "name": "A", "fields": fields})
}

#[test]
fn changes_are_told_one_by_one_with_both_directions() {
    use ChangeKind::{Added, Default, Doc, LogicalType, Order, Removed, Renamed, Symbols, Type};
    let decimal =
        |p: i32, s: i32| json!({"type": "bytes", "logicalType": "decimal", "precision": p, "scale": s});
    let state = |symbols: &[&str]| json!({"type": "enum", "name": "S", "symbols": symbols});
    let field = |name: &str, kind: Value| json!({"name": name, "type": kind});
    let x = || field("x", json!("int"));
    let cases = [
        (vec![x()], vec![x(), field("b", json!("string"))], (Added, "b", false, true)),
        (
            vec![x()],
            vec![x(), json!({"name": "b", "type": "string", "default": ""})],
            (Added, "b", true, true),
        ),
        (vec![x(), field("b", json!("string"))], vec![x()], (Removed, "b", true, false)),
        (vec![x()], vec![field("x", json!("long"))], (Type, "x", true, false)),
        (vec![x()], vec![field("x", json!("string"))], (Type, "x", false, false)),
        (vec![x()], vec![field("x", json!(["null", "int"]))], (Type, "x", true, false)),
        (
            vec![field("x", decimal(14, 2))],
            vec![field("x", decimal(16, 2))],
            (LogicalType, "x", false, false),
        ),
        (
            vec![field("x", json!("long"))],
            vec![field("x", json!({"type": "long", "logicalType": "timestamp-micros"}))],
            (LogicalType, "x", true, true),
        ),
        (vec![field("x", state(&["A"]))], vec![field("x", state(&["A", "B"]))], (Symbols, "x", true, false)),
        (vec![field("x", state(&["A", "B"]))], vec![field("x", state(&["A"]))], (Symbols, "x", false, true)),
        (vec![x()], vec![json!({"name": "y", "type": "int", "aliases": ["x"]})], (Renamed, "y", true, false)),
        (vec![x()], vec![json!({"name": "x", "type": "int", "default": 1})], (Default, "x", true, true)),
        (vec![x()], vec![json!({"name": "x", "type": "int", "doc": "new"})], (Doc, "x", true, true)),
        (vec![x(), field("b", json!("int"))], vec![field("b", json!("int")), x()], (Order, "", true, true)),
    ];
    for (old, new, expected) in &cases {
        let changes = changes(&record(old), &record(new));
        assert_eq!(changes.iter().map(told).collect::<Vec<_>>(), [*expected], "{old:?} → {new:?}");
    }
}

#[test]
fn equal_schemas_have_no_changes() {
    let namespace = contracts::namespace::Namespace::default();
    for topic in contracts::topics::topics(&namespace, 1, 4) {
        assert_eq!(changes(&topic.schema, &topic.schema), []);
    }
}

#[test]
fn what_another_type_of_a_union_takes_breaks_nothing() {
    let of = |precision: i32| json!([{"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": 2}, "string"]);
    let changes = changes(&of(10), &of(12));
    assert_eq!(verdict(&changes), (Verdict::Ok, Verdict::Ok));
    assert_eq!(changes.len(), 1);
}

#[test]
fn a_nested_change_is_told_at_its_path() {
    let of = |kind: &str| {
        record(&[json!({"name": "lines", "type": {"type": "array", "items":
            {"type": "record", "name": "L", "fields": [{"name": "quantity", "type": ["null", kind]}]}}})])
    };
    let changes = changes(&of("int"), &of("long"));
    assert_eq!(
        changes.iter().map(told).collect::<Vec<_>>(),
        [(ChangeKind::Type, "lines[].quantity", true, false)]
    );
}

// Generated pairs: the library's verdict is the oracle. References and named types under an alias are left
// out, since it compares only what is written inline and knows no aliases of types; unit tests of `resolve`
// hold those.

fn primitive() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("null"),
        json!("boolean"),
        json!("int"),
        json!("long"),
        json!("float"),
        json!("double"),
        json!("bytes"),
        json!("string"),
        json!({"type": "long", "logicalType": "timestamp-micros"}),
        json!({"type": "int", "logicalType": "date"}),
        json!({"type": "string", "logicalType": "uuid"}),
        json!({"type": "bytes", "logicalType": "decimal", "precision": 14, "scale": 2}),
        json!({"type": "bytes", "logicalType": "decimal", "precision": 16, "scale": 2}),
    ])
}

fn symbols() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(vec!["A", "B", "C"], 1..=3)
}

fn named() -> impl Strategy<Value = Value> {
    let sizes = prop::sample::select(vec![4, 8]);
    prop_oneof![
        (sizes, prop::sample::select(vec!["F", "n.F", "G"]))
            .prop_map(|(size, name)| json!({"type": "fixed", "name": name, "size": size})),
        (symbols(), any::<bool>()).prop_map(|(symbols, with_default)| {
            let default = with_default.then(|| symbols[0]);
            let mut schema = json!({"type": "enum", "name": "E", "symbols": symbols});
            if let Some(default) = default {
                schema["default"] = json!(default);
            }
            schema
        }),
    ]
}

fn any_type(depth: u32) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![4 => primitive(), 1 => named()];
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        4 => leaf,
        1 => any_type(depth - 1).prop_map(|items| json!({"type": "array", "items": items})),
        1 => any_type(depth - 1).prop_map(|values| json!({"type": "map", "values": values})),
        2 => prop::collection::vec(any_type(depth - 1), 1..4).prop_map(Value::Array),
        2 => any_record(depth - 1),
    ]
    .boxed()
}

fn any_record(depth: u32) -> BoxedStrategy<Value> {
    let field =
        (any_type(depth), any::<bool>(), prop::option::of(prop::sample::select(vec!["a", "b", "c", "d"])));
    let names = prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=3).prop_shuffle();
    (names, prop::collection::vec(field, 3), prop::sample::select(vec!["R", "R", "R", "n.R", "Q"]))
        .prop_map(move |(names, fields, record)| {
            let fields: Vec<Value> = names
                .into_iter()
                .zip(fields)
                .map(|(name, (kind, nullable, alias))| {
                    let mut field = json!({"name": name, "type": kind});
                    if nullable && kind.is_string() {
                        field["type"] = json!(["null", kind]);
                        field["default"] = Value::Null;
                    }
                    if let Some(alias) = alias.filter(|alias| *alias != name) {
                        field["aliases"] = json!([alias]);
                    }
                    field
                })
                .collect();
            json!({"type": "record", "name": format!("{record}{depth}"), "fields": fields})
        })
        .boxed()
}

/// Another version of a schema: some of its types replaced, some fields left out or added.
fn mutated(schema: Value) -> BoxedStrategy<Value> {
    let keep = schema.clone();
    match schema {
        Value::Object(object) if object.contains_key("fields") => {
            let fields = object["fields"].as_array().cloned().unwrap_or_default();
            let fields: Vec<BoxedStrategy<Value>> = fields
                .into_iter()
                .map(|field| {
                    let kind = field["type"].clone();
                    mutated(kind)
                        .prop_map(move |kind| {
                            let mut field = field.clone();
                            if field["type"] != kind {
                                field.as_object_mut().unwrap().remove("default");
                            }
                            field["type"] = kind;
                            field
                        })
                        .boxed()
                })
                .collect();
            (fields, any::<prop::sample::Index>(), 0..4_u8)
                .prop_map(move |(mut fields, index, what)| {
                    if what == 0 && !fields.is_empty() {
                        fields.remove(index.index(fields.len()));
                    }
                    if what == 1 && fields.iter().all(|field| field["name"] != "z") {
                        fields.push(json!({"name": "z", "type": "int"}));
                    }
                    let mut object = object.clone();
                    object.insert("fields".into(), Value::Array(fields));
                    Value::Object(object)
                })
                .boxed()
        }
        _ => prop_oneof![3 => Just(keep), 1 => any_type(1)].boxed(),
    }
}

fn pair() -> impl Strategy<Value = (Value, Value)> {
    any_record(2).prop_flat_map(|old| (Just(old.clone()), prop_oneof![4 => mutated(old), 1 => any_record(2)]))
}

fn full(writer: &Schema, reader: &Schema) -> bool {
    matches!(SchemaCompatibility::can_read(writer, reader), Ok(Compatibility::Full))
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 60_000, ..ProptestConfig::with_cases(2_000) })]

    /// The verdict over all changes is that of the library, both ways.
    #[test]
    fn the_changes_verdict_is_the_librarys((old, new) in pair()) {
        // Pairs that are no schemas, as where a name is defined twice, are not judged.
        let (Ok(old_avro), Ok(new_avro)) = (Schema::parse(&old), Schema::parse(&new)) else {
            return Err(TestCaseError::reject("no schema"));
        };
        // The library lets a name be defined twice, which the specification forbids.
        let (Ok(old_model), Ok(new_model)) = (Model::read(&old), Model::read(&new)) else {
            return Err(TestCaseError::reject("a name is defined twice"));
        };
        let changes = diff(&old_model, &new_model);
        let (backward, forward) = verdict(&changes);
        prop_assert_eq!(
            backward.is_ok(),
            full(&old_avro, &new_avro),
            "backward {} → {}: {:?}",
            old,
            new,
            changes
        );
        prop_assert_eq!(
            forward.is_ok(),
            full(&new_avro, &old_avro),
            "forward {} → {}: {:?}",
            old,
            new,
            changes
        );
        let all_in_all = changes
            .iter()
            .any(|change| change.path.is_empty() && change.from.is_none() && change.kind == ChangeKind::Type);
        prop_assert!(!all_in_all, "a break that no change explains: {:?}", changes);
    }
}
