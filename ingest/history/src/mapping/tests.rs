use super::*;

const SMALLEST: &str = r#"
source = "acme"
[fields]
event_name = { column = "type", values = { pageview = "view_item" } }
occurred_at = { column = "ts", format = "%d.%m.%Y %H:%M" }
user_id = "customer"
gender = { column = "sex", values = { f = "female" }, default = "other" }
age = { value = 40 }
country = { value = "DE" }
city = { value = "Köln" }
latitude = { value = 50.9 }
longitude = { value = 7 }
session_id = { columns = ["customer", "day"] }
session_started_at = "ts2"
returning = { value = true }
device = "device"
channel = { value = "direct" }
"#;

fn with(from: &str, to: &str) -> Result<Mapping, MappingError> {
    assert!(SMALLEST.contains(from), "{from}");
    Mapping::parse(&SMALLEST.replacen(from, to, 1))
}

fn refusal(from: &str, to: &str) -> String {
    let error = with(from, to).err().unwrap_or_else(|| panic!("{to} is taken"));
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[test]
fn a_mapping_names_columns_constants_and_words() {
    let mapping = Mapping::parse(SMALLEST).unwrap();
    assert_eq!(mapping.columns(), ["type", "ts", "customer", "sex", "day", "ts2", "device"]);
    let rule = |name: &str| mapping.rules().iter().find(|rule| rule.field.name == name).unwrap();
    assert_eq!(rule("age").from, Origin::Constant("40".to_owned()));
    assert_eq!(rule("latitude").from, Origin::Constant("50.9".to_owned()));
    assert_eq!(rule("session_id").from, Origin::Columns(vec![2, 4]));
    assert_eq!(rule("gender").default.as_deref(), Some("other"));
    assert_eq!(rule("gender").values["f"], "female");
    assert_eq!(mapping.source(None).unwrap().as_str(), "acme");
    assert_eq!(mapping.source(Some("other".parse().unwrap())).unwrap().as_str(), "other");
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    for (from, to, named) in [
        ("source", "sauce", "sauce"),
        ("source = \"acme\"", "source = \"Acme & Co\"", "is not a name of a source"),
        ("source = \"acme\"", "timezone = \"Mars\"", "Mars"),
        ("source = \"acme\"", "format = \"xml\"", "xml"),
        ("source = \"acme\"", "csv = { delimiter = \"§\" }", "csv.delimiter"),
        ("source = \"acme\"", "csv = { comma = \";\" }", "comma"),
        ("user_id", "user", "fields.user"),
        ("user_id = \"customer\"", "", "user_id"),
        ("\"device\"", "{ column = \"d\", colum = \"e\" }", "colum"),
        ("\"device\"", "{ column = \"d\", value = \"e\" }", "one of"),
        ("\"device\"", "{ columns = [\"d\"] }", "`columns` is for ids"),
        ("\"device\"", "{ default = \"d\" }", "one of"),
        ("\"device\"", "{ value = \"d\", default = \"e\" }", "are for columns"),
        ("\"device\"", "{ column = \"d\", format = \"iso\" }", "are for times"),
        ("\"device\"", "{ column = \"d\", decimal = \",\" }", "is for numbers"),
        ("\"device\"", "{ column = \"d\", keep = true }", "`keep` is for user_id"),
        ("\"device\"", "{ column = \"d\", content = [] }", "`content` is for event_id"),
        ("\"device\"", "7", "a column's name"),
        ("\"ts2\"", "{ column = \"t\", format = \"DD.MM\" }", "no format of a time"),
        ("\"ts2\"", "{ value = \"yesterday\" }", "not of the form"),
        ("user_id", "event_id = { value = \"1\" }\nuser_id", "no constant"),
        ("user_id", "event_id = { content = [\"user_id\"] }\nuser_id", "must name occurred_at"),
        ("user_id", "event_id = { content = [\"occurred_at\", \"age\"] }\nuser_id", "names age"),
        ("user_id", "price = \"price\"\nuser_id", "item_id"),
        ("user_id", "order_line = { value = 1 }\nuser_id", "order_id"),
    ] {
        let text = refusal(from, to);
        assert!(text.contains(named), "{to}: {text}");
    }
    assert!(matches!(
        Mapping::parse("fields = {}"),
        Err(MappingError::MissingFields(fields)) if fields == ["event_name", "occurred_at", "user_id or anonymous_id"]
    ));
    assert!(matches!(with("source = \"acme\"", "").unwrap().source(None), Err(MappingError::NoSource)));
}

#[test]
fn ids_follow_from_what_they_follow_from_and_nothing_else() {
    let of = |from: &str, to: &str| with(from, to).unwrap();
    let same = Mapping::parse(SMALLEST).unwrap();
    let reordered = of("source = \"acme\"", "# of 2019\nsource   = 'acme'");
    assert_eq!((reordered.sha256(), reordered.identity_sha256()), (same.sha256(), same.identity_sha256()));
    // Words and constants change what rows become and not which rows they are.
    for (from, to) in [
        ("pageview = \"view_item\"", "pageview = \"view_item_list\""),
        ("value = 40", "value = 41"),
        ("default = \"other\"", "default = \"male\""),
    ] {
        let changed = of(from, to);
        assert_ne!(changed.sha256(), same.sha256(), "{to}");
        assert_eq!(changed.identity_sha256(), same.identity_sha256(), "{to}");
    }
    for (from, to) in [
        ("%d.%m.%Y %H:%M", "%m.%d.%Y %H:%M"),
        ("source = \"acme\"", "timezone = \"Europe/Berlin\""),
        ("user_id", "event_id = \"id\"\nuser_id"),
        ("value = \"DE\"", "column = \"country\""),
        ("column = \"ts\", ", "column = \"ts\", default = \"01.01.2020 00:00\", "),
    ] {
        assert_ne!(of(from, to).identity_sha256(), same.identity_sha256(), "{to}");
    }
    // With the content named, more columns leave the ids as they are.
    let content = "event_id = { content = [\"user_id\", \"occurred_at\"] }\nuser_id";
    let named = of("user_id", content);
    let more = SMALLEST.replacen("user_id", content, 1).replacen("value = \"DE\"", "column = \"country\"", 1);
    assert_eq!(Mapping::parse(&more).unwrap().identity_sha256(), named.identity_sha256());
}
