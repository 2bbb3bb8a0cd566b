//! From the entries of an archive to its files: names without dots, links followed, the latest of a name.

use std::collections::{BTreeSet, HashMap};

use crate::place::Place;

/// What an archive says of one name.
#[derive(Debug)]
pub(crate) struct Entry {
    pub name: String,
    pub content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Folder,
    File(Place),
    /// To a path relative to the folder of the link.
    Symlink(String),
    /// To the name of another entry.
    HardLink(String),
}

/// A file of a folder or archive.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Path below the folder or within the archive, with `/` between its parts.
    pub name: String,
    pub place: Place,
}

/// The files of a folder or archive.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// In the order of a walk through the folder.
    pub members: Vec<Member>,
    /// The folders that are not hidden, those without files too.
    pub folders: BTreeSet<String>,
    /// Hidden folders, and hidden files with the ending of a picture, which are not among the members.
    pub hidden: usize,
    /// Links to what is not in the archive, or not there, or to a folder that they lie in.
    pub dangling: usize,
    /// Pipes, sockets and devices.
    pub special: usize,
}

/// A chain of links that is longer goes in circles.
const LONGEST_CHAIN: usize = 40;

/// Whether a part of a path is one of those that tools and operating systems leave beside pictures.
pub(crate) fn is_hidden(part: &str) -> bool {
    let known = [
        "__MACOSX",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "lost+found",
    ];
    part.starts_with('.') || known.contains(&part)
}

impl Tree {
    /// The files that unpacking the entries in their order would give.
    pub fn of_entries(entries: Vec<Entry>) -> Self {
        let mut names: HashMap<String, Content> = HashMap::new();
        let mut tree = Self::default();
        for Entry { name, content } in entries {
            let name = cleaned(&name);
            if !name.is_empty() {
                names.insert(name, content);
            }
        }
        let mut members = Vec::new();
        for (name, content) in &names {
            match content {
                Content::Folder => tree.add_folder(name),
                Content::File(place) => members.push((name.clone(), place.clone())),
                Content::Symlink(_) | Content::HardLink(_) => match followed(name, &names) {
                    Target::File(place) => members.push((name.clone(), place)),
                    Target::Folder(folder) => {
                        tree.add_folder(name);
                        members.extend(below(&folder, name, &names));
                    }
                    Target::Nothing => tree.dangling += 1,
                },
            }
        }
        members.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        let mut hidden_folders = BTreeSet::new();
        for (name, place) in members {
            let mut parts = name.split('/');
            match parts.position(is_hidden) {
                None => {
                    if let Some((folder, _)) = name.rsplit_once('/') {
                        tree.add_folder(folder);
                    }
                    tree.members.push(Member { name, place });
                }
                Some(depth) if depth == name.matches('/').count() => {
                    tree.hidden += usize::from(crate::source::has_picture_ending(&name));
                }
                Some(depth) => {
                    let folder: Vec<_> = name.split('/').take(depth + 1).collect();
                    hidden_folders.insert(folder.join("/"));
                }
            }
        }
        tree.hidden += hidden_folders.len();
        tree
    }

    /// Adds a folder and those that it lies in, unless one of them is hidden.
    pub fn add_folder(&mut self, name: &str) {
        if name.split('/').any(is_hidden) || self.folders.contains(name) {
            return;
        }
        for (end, _) in name.match_indices('/') {
            self.folders.insert(name[..end].to_string());
        }
        self.folders.insert(name.to_string());
    }

    /// The part of the tree below a folder, by names relative to it.
    pub fn below(self, folder: &str) -> Self {
        let prefix = format!("{folder}/");
        let members = self.members.into_iter().filter_map(|member| {
            let name = member.name.strip_prefix(&prefix)?.to_string();
            Some(Member { name, ..member })
        });
        let folders = self
            .folders
            .iter()
            .filter_map(|name| name.strip_prefix(&prefix));
        Self {
            members: members.collect(),
            folders: folders.map(str::to_string).collect(),
            ..Self::default()
        }
    }
}

enum Target {
    File(Place),
    Folder(String),
    Nothing,
}

fn followed(name: &str, names: &HashMap<String, Content>) -> Target {
    let mut name = name.to_string();
    for _ in 0..LONGEST_CHAIN {
        name = match names.get(&name) {
            Some(Content::File(place)) => return Target::File(place.clone()),
            Some(Content::HardLink(target)) => cleaned(target),
            Some(Content::Symlink(target)) if target.starts_with('/') => return Target::Nothing,
            Some(Content::Symlink(target)) => {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                cleaned(&format!("{folder}/{target}"))
            }
            Some(Content::Folder) => return Target::Folder(name),
            // A folder need not have an entry of its own.
            None => {
                let prefix = format!("{name}/");
                let is_folder = names.keys().any(|other| other.starts_with(&prefix));
                return match is_folder {
                    true => Target::Folder(name),
                    false => Target::Nothing,
                };
            }
        };
    }
    Target::Nothing
}

/// The files below `folder` by names below `link`, but for links to folders among them.
fn below(folder: &str, link: &str, names: &HashMap<String, Content>) -> Vec<(String, Place)> {
    let prefix = format!("{folder}/");
    let inside = names.iter().filter_map(|(name, content)| {
        let rest = name.strip_prefix(&prefix)?;
        let place = match content {
            Content::Folder => return None,
            Content::File(place) => place.clone(),
            Content::Symlink(_) | Content::HardLink(_) => match followed(name, names) {
                Target::File(place) => place,
                Target::Folder(_) | Target::Nothing => return None,
            },
        };
        Some((format!("{link}/{rest}"), place))
    });
    inside.collect()
}

/// A path without empty parts, `.` and `..`.
fn cleaned(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Entry {
        let content = Content::File(Place::File(name.into()));
        let name = name.to_string();
        Entry { name, content }
    }

    fn link(name: &str, content: impl Fn(String) -> Content, target: &str) -> Entry {
        let (name, content) = (name.to_string(), content(target.to_string()));
        Entry { name, content }
    }

    fn places(tree: &Tree) -> Vec<(&str, &str)> {
        let place = |member: &Member| match &member.place {
            Place::File(path) => path.to_str().unwrap().to_string().leak() as &str,
            _ => panic!("a file was put in"),
        };
        let members = tree.members.iter();
        members
            .map(|member| (member.name.as_str(), place(member)))
            .collect()
    }

    #[test]
    fn links_lead_to_files_and_folders_of_the_archive() {
        let tree = Tree::of_entries(vec![
            file("./all/1.jpg"),
            link("cat/a.jpg", Content::Symlink, "../all/1.jpg"),
            link("cat/b.jpg", Content::HardLink, "./cat/a.jpg"),
            link("dog", Content::Symlink, "cat"),
            link("cat/c.jpg", Content::Symlink, "/elsewhere/1.jpg"),
            link("round", Content::Symlink, "round"),
        ]);
        let expected = [
            "all/1.jpg",
            "cat/a.jpg",
            "cat/b.jpg",
            "dog/a.jpg",
            "dog/b.jpg",
        ];
        let found = places(&tree);
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected);
        assert!(found.iter().all(|(_, place)| *place == "./all/1.jpg"));
        assert_eq!(tree.dangling, 2);
        assert_eq!(tree.folders, ["all", "cat", "dog"].map(String::from).into());
    }

    #[test]
    fn files_are_sorted_like_a_walk_and_hidden_ones_are_counted() {
        let tree = Tree::of_entries(
            [
                "b/2.jpg",
                "b-side.jpg",
                "b/._2.jpg",
                ".git/1.png",
                ".git/2.png",
                "b/@eaDir/t/3.jpg",
            ]
            .map(file)
            .into(),
        );
        let names: Vec<_> = places(&tree).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["b/2.jpg", "b-side.jpg"]);
        assert_eq!(tree.hidden, 3);
        assert_eq!(tree.folders, ["b".to_string()].into());
    }

    #[test]
    fn a_part_of_a_tree_has_names_below_it() {
        let tree = Tree::of_entries(
            ["set/train/cat/1.jpg", "set/val/dog/2.jpg"]
                .map(file)
                .into(),
        );
        let train = tree.below("set/train");
        assert_eq!(places(&train), [("cat/1.jpg", "set/train/cat/1.jpg")]);
        assert_eq!(train.folders, ["cat".to_string()].into());
    }
}
