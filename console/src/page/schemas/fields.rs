//! A schema as a table of fields and as its text.

use maud::{Markup, html};

use crate::schemas::text::pretty;
use crate::schemas::view::SchemaView;

/// Every field with its doc.
pub(super) fn table(schema: &SchemaView) -> Markup {
    html! {
        section .panel .flush {
            header {
                h2 { "Fields of v" (schema.version) }
                @if let Some(doc) = &schema.doc { p .panel-note { (doc) } }
            }
            @if schema.fields.is_empty() {
                p .note { "It is no record, or one without fields: see its text." }
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Fields" {
                    table .data {
                        caption .sr { "Fields of version " (schema.version) }
                        thead { tr {
                            th scope="col" { "Field" }
                            th scope="col" { "Type" }
                            th scope="col" { "Default" }
                            th scope="col" { "What it is" }
                        } }
                        tbody {
                            @for field in &schema.fields {
                                tr {
                                    th scope="row" .key {
                                        code { (field.path) }
                                        @if !field.aliases.is_empty() {
                                            " " span .muted { "once " (field.aliases.join(", ")) }
                                        }
                                    }
                                    td .key { (field.kind) }
                                    td .key {
                                        @match &field.default {
                                            Some(default) => (default),
                                            None => { span .muted aria-hidden="true" { "–" } span .sr { "none" } },
                                        }
                                    }
                                    td { @if let Some(doc) = &field.doc { (doc) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The text, keys in one order.
pub(super) fn text(schema: &SchemaView) -> Markup {
    html! {
        section .panel {
            header { h2 { "Schema of v" (schema.version) } p .panel-note { "id " (schema.id) ", as every record carries it" } }
            details .more {
                summary { "Show the text" }
                pre .code tabindex="0" role="region" aria-label="Schema" { code { (pretty(&schema.schema)) } }
            }
        }
    }
}
