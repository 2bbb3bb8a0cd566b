//! One file for each command: words to configurations, then one call.

mod convert;
mod features;
mod info;

use clap::Subcommand;

use crate::device::DeviceOptions;

#[derive(Subcommand)]
pub enum Command {
    Features(features::Features),
    Info(info::Info),
    Convert(convert::Convert),
}

impl Command {
    pub fn run(self, device: &DeviceOptions) -> anyhow::Result<()> {
        match self {
            Self::Features(command) => command.run(device),
            Self::Info(command) => command.run(),
            Self::Convert(command) => command.run(),
        }
    }
}
