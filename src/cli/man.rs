//! `runner man`: the manual, from the definition of the command line.

use std::io::Write as _;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man as Page;

use super::arguments::{Arguments, Man};
use super::{exit, look};

pub fn run(command: &Man) -> anyhow::Result<u8> {
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    let Some(folder) = &command.dir else {
        let mut page = Vec::new();
        Page::new(root).render(&mut page)?;
        std::io::stdout().lock().write_all(&page)?;
        return Ok(exit::OK);
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("`{}` can't be made", folder.display()))?;
    let mut pages = 0;
    let mut open = vec![root];
    while let Some(command) = open.pop() {
        let page = Page::new(command.clone());
        let path = folder.join(page.get_filename());
        let mut text = Vec::new();
        page.render(&mut text)?;
        std::fs::write(&path, text)
            .with_context(|| format!("`{}` can't be written", path.display()))?;
        pages += 1;
        open.extend(command.get_subcommands().cloned());
    }
    let faint = look::FAINT;
    writeln!(
        anstream::stdout(),
        "{pages} pages in {} {faint}(man -l {} shows the first){faint:#}",
        folder.display(),
        folder.join("runner.1").display()
    )?;
    Ok(exit::OK)
}
