//! Pages, their sections and what these hold.

use std::collections::HashSet;

use crate::chart::Chart;
use crate::markup::{escape, inline};
use crate::palette;
use crate::picture::{self, Picture};
use crate::pipeline::Pipeline;
use crate::scatter::Scatter;
use crate::table::Table;

/// A whole document.
pub struct Page {
    /// What the browser's tab and the first heading say.
    pub title: String,
    /// A paragraph below the heading: what this is about, and the result.
    pub lead: String,
    /// The chapters, in order.
    pub sections: Vec<Section>,
}

/// A chapter, to which the list at the top has a link.
///
/// It stands in the file between two comments that hold its identifier: `<!-- timings -->` before and
/// `<!-- /timings -->` after, so that a program which compares two reports can leave a chapter out.
pub struct Section {
    /// Small letters, digits and single hyphens; the part after `#` of a link.
    pub id: String,
    /// The heading.
    pub heading: String,
    /// The contents, in order.
    pub blocks: Vec<Block>,
}

/// One thing in a section.
pub enum Block {
    /// Paragraphs with an empty line between them. `` `code` `` and addresses of the web are recognised.
    Text(String),
    /// Side by side where there is room, else below each other.
    Figures(Vec<Figure>),
    /// One picture.
    Picture(Picture),
    /// Curves over one axis.
    Chart(Chart),
    /// Rows and columns.
    Table(Table),
    /// What to type next.
    Commands(Vec<Command>),
    /// How the method works, with the sizes of this run.
    Pipeline(Pipeline),
}

/// What can stand beside another of its kind.
pub enum Figure {
    /// A picture.
    Picture(Picture),
    /// Curves over one axis.
    Chart(Chart),
    /// Points of several classes in the plane.
    Scatter(Scatter),
}

/// A line for the terminal.
pub struct Command {
    /// What it does.
    pub says: String,
    /// What to type.
    pub line: String,
}

impl Page {
    /// The document, as it is written into a file.
    ///
    /// # Panics
    ///
    /// If two sections have the same identifier, or one is not made of small letters, digits and single hyphens.
    pub fn html(&self) -> String {
        let mut seen = HashSet::new();
        for section in &self.sections {
            let id = section.id.as_str();
            assert!(
                is_identifier(id),
                "`{id}` is not made of small letters, digits and hyphens"
            );
            assert!(seen.insert(id), "two sections are called `{id}`");
        }
        let links = self.sections.iter().map(|section| {
            let (id, heading) = (&section.id, escape(&section.heading));
            format!("<li><a href=\"#{id}\">{heading}</a></li>\n")
        });
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
             style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>\n{style}{colours}</style>\n</head>\n<body>\n\
             <header>\n<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n</header>\n\
             <nav aria-label=\"Sections\">\n<ul>\n{links}</ul>\n</nav>\n\
             <main>\n{sections}</main>\n</body>\n</html>\n",
            title = escape(&self.title),
            style = include_str!("page.css"),
            colours = palette::style(),
            lead = inline(&self.lead),
            links = links.collect::<String>(),
            sections = self.sections.iter().map(Section::html).collect::<String>(),
        )
    }
}

impl Section {
    fn html(&self) -> String {
        let (id, heading) = (&self.id, escape(&self.heading));
        let blocks: String = self.blocks.iter().map(Block::html).collect();
        format!(
            "<!-- {id} -->\n<section id=\"{id}\">\n<h2>{heading}</h2>\n{blocks}</section>\n<!-- /{id} -->\n"
        )
    }
}

impl Block {
    fn html(&self) -> String {
        match self {
            Block::Text(text) => text
                .split("\n\n")
                .filter(|paragraph| !paragraph.trim().is_empty())
                .map(|paragraph| format!("<p>{}</p>\n", inline(paragraph.trim())))
                .collect(),
            Block::Figures(figures) => {
                let figures: String = figures.iter().map(Figure::html).collect();
                format!("<div class=\"figures\">\n{figures}</div>\n")
            }
            Block::Picture(picture) => picture.html(picture::ALONE),
            Block::Chart(chart) => chart.html(),
            Block::Table(table) => table.html(),
            Block::Commands(commands) => {
                let commands: String = commands.iter().map(Command::html).collect();
                format!("<div class=\"commands\">\n{commands}</div>\n")
            }
            Block::Pipeline(pipeline) => pipeline.html(),
        }
    }
}

impl Figure {
    fn html(&self) -> String {
        match self {
            Figure::Picture(picture) => picture.html(picture::BESIDE),
            Figure::Chart(chart) => chart.html(),
            Figure::Scatter(scatter) => scatter.html(),
        }
    }
}

impl Command {
    fn html(&self) -> String {
        // What scrolls must be reachable from the keyboard.
        format!(
            "<div class=\"command\">\n<p>{}</p>\n<pre tabindex=\"0\"><code>{}</code></pre>\n</div>\n",
            inline(&self.says),
            escape(&self.line)
        )
    }
}

fn is_identifier(id: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    id.split('-')
        .all(|word| !word.is_empty() && word.chars().all(known))
}
