//! Rendering of templates.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::chart::Chart;
use crate::markup::{escape, inline};
use crate::number::{count, number};
use crate::scatter::Scatter;

/// Templates that others extend, include or import, by name.
const TEMPLATES: [(&str, &str); 8] = [
    ("page.html", include_str!("templates/page.html")),
    ("page.css", include_str!("templates/page.css")),
    ("parts.html", include_str!("templates/parts.html")),
    ("chart.html", include_str!("templates/chart.html")),
    ("scatter.html", include_str!("templates/scatter.html")),
    ("pipeline.html", include_str!("templates/pipeline.html")),
    ("drawing.svg", include_str!("templates/drawing.svg")),
    ("palette.html", include_str!("templates/palette.html")),
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Renders a template with the fields of `data`.
///
/// Text from `data` is escaped for HTML and SVG. Besides what
/// [MiniJinja](https://docs.rs/minijinja) knows, a template may use those of this crate and these filters:
///
/// - `number`: at most four significant digits, and commas between thousands
/// - `count`: a number of parameters, as in `1.4 M`
/// - `px`: a coordinate with one decimal
/// - `inline`: escaped text in which `` `this` `` is code
///
/// # Panics
///
/// If the template is not valid, or uses a value that `data` lacks. As a page, also if two of its sections have the
/// same identifier, or an identifier does not consist of lower-case letters, digits and single hyphens.
pub fn render(template: &str, data: impl Serialize) -> String {
    let rendered = ENVIRONMENT.render_str(template, Serde(data));
    rendered.unwrap_or_else(|error| panic!("{error:#}"))
}

fn environment() -> Environment<'static> {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    syntax.keep_trailing_newline(true);
    let syntax = syntax.build().expect("the delimiters are those of Jinja");
    let mut all = Environment::new();
    all.set_syntax(syntax);
    all.set_undefined_behavior(UndefinedBehavior::Strict);
    all.set_auto_escape_callback(|_| AutoEscape::Html);
    all.set_formatter(|out, state, value| {
        let text = value.to_string();
        let ready = value.is_safe() || matches!(state.auto_escape(), AutoEscape::None);
        Ok(out.write_str(&if ready { text } else { escape(&text) })?)
    });
    all.add_filter("number", number);
    all.add_filter("count", count);
    all.add_filter("px", |place: f64| format!("{place:.1}"));
    all.add_filter("inline", |text: &str| Value::from_safe_string(inline(text)));
    all.add_filter("sections", |main: &str| Value::from(sections(main)));
    all.add_function("plot_chart", |chart: Serde<Chart>| {
        Value::from(Serde(chart.on_page()))
    });
    all.add_function("place_dots", |scatter: Serde<Scatter>| {
        Value::from(Serde(scatter.on_page()))
    });
    for (name, template) in TEMPLATES {
        all.add_template(name, template)
            .unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    all
}

/// Identifier and heading of each section of a page, as the macro `section` writes them.
fn sections(main: &str) -> Vec<Vec<Value>> {
    let mut known = Vec::new();
    let links = main.split("<section id=\"").skip(1).filter_map(|section| {
        let (id, rest) = section.split_once("\">\n<h2>")?;
        let (heading, _) = rest.split_once("</h2>")?;
        assert!(
            is_identifier(id),
            "`{id}` must consist of lower-case letters, digits and single hyphens"
        );
        assert!(
            !known.contains(&id),
            "two sections have the identifier `{id}`"
        );
        known.push(id);
        Some(vec![
            Value::from(id),
            Value::from_safe_string(heading.to_string()),
        ])
    });
    links.collect()
}

fn is_identifier(id: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    id.split('-')
        .all(|word| !word.is_empty() && word.chars().all(known))
}
