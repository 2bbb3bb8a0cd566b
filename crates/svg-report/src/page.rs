//! Pages, sections and blocks.

use std::collections::HashSet;

use crate::chart::Chart;
use crate::markup::{escape, inline};
use crate::palette;
use crate::picture::{self, Picture};
use crate::pipeline::Pipeline;
use crate::scatter::Scatter;
use crate::table::Table;

/// An HTML document.
pub struct Page {
    /// Title of the document and its first heading.
    pub title: String,
    /// Paragraph below the heading: subject and result.
    pub lead: String,
    /// Sections, in order.
    pub sections: Vec<Section>,
}

/// A section, linked from the list at the top.
///
/// In the file it is enclosed in two comments with its identifier, such as `<!-- timings -->` and
/// `<!-- /timings -->`, so that a program that compares two reports can skip a section.
pub struct Section {
    /// Identifier of lower-case letters, digits and single hyphens; used as the anchor.
    pub id: String,
    /// Heading.
    pub heading: String,
    /// Contents, in order.
    pub blocks: Vec<Block>,
}

/// Content of a section.
pub enum Block {
    /// Paragraphs separated by an empty line. `` `code` `` and web addresses are recognised.
    Text(String),
    /// Figures side by side, or below each other on narrow pages.
    Figures(Vec<Figure>),
    /// A picture.
    Picture(Picture),
    /// A line chart.
    Chart(Chart),
    /// A table.
    Table(Table),
    /// Commands for the terminal.
    Commands(Vec<Command>),
    /// A diagram of the method with the sizes of a run.
    Pipeline(Pipeline),
}

/// A figure that can be placed beside others.
pub enum Figure {
    /// A picture.
    Picture(Picture),
    /// A line chart.
    Chart(Chart),
    /// A scatter plot of several classes.
    Scatter(Scatter),
}

/// A command for the terminal.
pub struct Command {
    /// Description of the command.
    pub says: String,
    /// Command line.
    pub line: String,
}

impl Page {
    /// Renders the document.
    ///
    /// # Panics
    ///
    /// If two sections have the same identifier, or an identifier does not consist of lower-case letters, digits and
    /// single hyphens.
    pub fn html(&self) -> String {
        let mut seen = HashSet::new();
        for section in &self.sections {
            let id = section.id.as_str();
            assert!(
                is_identifier(id),
                "`{id}` must consist of lower-case letters, digits and single hyphens"
            );
            assert!(seen.insert(id), "two sections have the identifier `{id}`");
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
        // Scrollable elements must be focusable by keyboard.
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
